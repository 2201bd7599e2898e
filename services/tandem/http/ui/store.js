// What survives a reload: conversation, key and collection for this tab, the theme for this browser.

function read(storage, name) {
  try { return JSON.parse(storage().getItem(`tandem.${name}`)); } catch { return null; }
}

function write(storage, name, value) {
  try {
    if (value === null || value === undefined) storage().removeItem(`tandem.${name}`);
    else storage().setItem(`tandem.${name}`, JSON.stringify(value));
    return true;
  } catch { return false; }  // full, or blocked: the page works on without it
}

const tab = () => sessionStorage;

export const key = { get: () => read(tab, "key"), set: (value) => write(tab, "key", value) };
export const collection = { get: () => read(tab, "collection"), set: (value) => write(tab, "collection", value) };
export const draft = { get: () => read(tab, "draft") ?? "", set: (value) => write(tab, "draft", value || null) };

const REMEMBERED = 200;

// Questions of jobs by their ids: lists of jobs do not tell them.
export const asked = { get: () => read(tab, "asked") ?? {} };
export const remember = (id, question) =>
  write(tab, "asked", Object.fromEntries([...Object.entries(asked.get()).filter(([known]) => known !== id), [id, question.slice(0, 300)]].slice(-REMEMBERED)));

// The theme is a bare word, because theme.js reads it before anything else runs.
export const theme = {
  get() {
    try {
      const chosen = localStorage.getItem("tandem.theme");
      return chosen === "light" || chosen === "dark" ? chosen : "auto";
    } catch { return "auto"; }
  },
  set: (value) => { try { localStorage.setItem("tandem.theme", value); } catch { /* blocked */ } },
};

export const turns = {
  get: () => read(tab, "turns") ?? [],
  set(list) {
    // Traces are the bulk: when space runs out the oldest go first, then the oldest turns.
    let kept = list;
    while (!write(tab, "turns", kept) && kept.length) {
      const heavy = kept.findIndex((turn) => turn.result?.explain);
      kept = heavy < 0 ? kept.slice(1) : kept.map((turn, i) => (i === heavy ? withoutTrace(turn) : turn));
    }
  },
};

const withoutTrace = (turn) => ({ ...turn, result: { ...turn.result, explain: undefined } });
