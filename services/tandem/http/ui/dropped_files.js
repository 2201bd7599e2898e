// The files in a drop or a choice, folders walked through, each with the id it gets.

const idOf = (path) => path.replace(/^\/+/, "").trim();

export const chosenFiles = (list) => [...list].map((file) => ({ id: idOf(file.webkitRelativePath || file.name), file }));

export async function droppedFiles(transfer) {
  // Entries must be taken before the first await: the drop's data is gone afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(transfer.files);
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ id: idOf(entry.fullPath), file }];
  }
  const found = await children(entry.createReader());
  return (await Promise.all(found.filter((child) => !child.name.startsWith(".")).map(walk))).flat();
}

// A reader gives its entries in portions, and an empty one at the end.
async function children(reader) {
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}
