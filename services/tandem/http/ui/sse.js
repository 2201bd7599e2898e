// Server-sent events from a byte stream: {data, kind, id} of each, whatever the pieces it came in.

export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  let kind = "message";
  let id = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const raw of lines) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line === "") {
          if (data.length) yield { data: data.join("\n"), kind, id };
          data = [];
          kind = "message";
        } else if (line.startsWith("data:")) {
          data.push(valueOf(line));
        } else if (line.startsWith("event:")) {
          kind = valueOf(line);
        } else if (line.startsWith("id:")) {
          id = Number(valueOf(line));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const valueOf = (line) => line.slice(line.indexOf(":") + 1).replace(/^ /, "");
