// Reads COUNT streams from URL through the stream helper; writes one JSON line for each:
// its final message, or the error in which it ended and the message up to there.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, count] = process.argv.slice(2);
const entry = createRequire(`${folder}/`).resolve("@anthropic-ai/sdk");
const { default: Anthropic } = await import(pathToFileURL(entry).href);
const client = new Anthropic({ apiKey: "k", baseURL: url, maxRetries: 0 });

for (let number = 0; number < Number(count); number++) {
  const stream = client.messages.stream({
    model: "m",
    max_tokens: 100,
    messages: [{ role: "user", content: "hi" }],
  });
  let line;
  try {
    line = { message: await stream.finalMessage() };
  } catch (error) {
    line = { error: error.error ?? String(error), message: stream.currentMessage };
  }
  process.stdout.write(JSON.stringify(line) + "\n");
}
