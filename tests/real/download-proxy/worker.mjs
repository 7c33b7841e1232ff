// OpenList's download proxy as Cloudflare runs it, before a socket: node worker.mjs openlist-proxy.js ENV.json
// Prints the port that it listens on. ENV.json (ADDRESS, TOKEN, WORKER_ADDRESS) is read at each request.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const worker = (await import(pathToFileURL(process.argv[2]))).default;

const server = createServer(async (request, response) => {
  // Cloudflare takes the host from the URL.
  const { host, connection, ...headers } = request.headers;
  const env = JSON.parse(readFileSync(process.argv[3]));
  try {
    const answer = await worker.fetch(new Request(`http://${host}${request.url}`, { method: request.method, headers }), env);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    answer.body ? Readable.fromWeb(answer.body).pipe(response) : response.end();
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
