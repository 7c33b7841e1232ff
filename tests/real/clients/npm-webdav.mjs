// The package `webdav` of npm: `node npm-webdav.mjs URL WORK`. DAVMUX_CLIENTS is where tests/real/clients/install put it.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const fail = (what) => {
  console.log(what);
  process.exit(1);
};
const home = join(process.env.DAVMUX_CLIENTS ?? "target/real-clients", "npm/node_modules/webdav");
if (!existsSync(home)) {
  console.log("webdav is not installed (tests/real/clients/install npm)");
  process.exit(77);
}
const { version, exports } = JSON.parse(readFileSync(join(home, "package.json")));
const entry = exports["."].node ?? exports["."].import ?? exports["."].default;
const { createClient } = await import(pathToFileURL(join(home, entry.default ?? entry)));

const url = process.argv[2];
const { DAV_USER: username, DAV_PASSWORD: password } = process.env;
const login = username ? { username, password } : {};
const dav = createClient(url, login);

// What fetch, which knows nothing of WebDAV, gets at the same place.
const headers = username ? { authorization: "Basic " + Buffer.from(`${username}:${password}`).toString("base64") } : {};
const at = (path) => url + path.split("/").map(encodeURIComponent).join("/");
const same = async (path, content) => {
  const response = await fetch(at(path), { headers });
  const body = Buffer.from(await response.arrayBuffer());
  if (!response.ok || !body.equals(content)) fail(`${path} is not what was sent (status ${response.status}, ${body.length} bytes)`);
};
const gone = async (path) => {
  const { status } = await fetch(at(path), { method: "PROPFIND", headers: { ...headers, depth: "0" } });
  if (status !== 404) fail(`${path} is still there (${status})`);
};

const names = ["plain.txt", "two words.txt", "a & b.txt", "100 % #1.txt", "one+one=2.txt", "ümlaut ß.txt", "emoji 🎬.txt"];
names.push("it's (1) [2].txt", "semi;colon,comma@at.txt", "question?.txt");
const contents = new Map(names.map((name) => [name, Buffer.from(`This is ${name}.\n`)]));
contents.set("empty.txt", Buffer.alloc(0)).set("large.bin", randomBytes(20_000_000));
const top = "npm webdav test";
const folder = `${top}/sub folder`;
await fetch(at(top), { method: "DELETE", headers });

await dav.createDirectory(`/${folder}/ünder 🎬`, { recursive: true });
for (const [name, content] of contents) {
  const path = `${folder}/${name}`;
  if (!(await dav.putFileContents(`/${path}`, content))) fail(`${name} was not taken`);
  await same(path, content);
  if (!Buffer.from(await dav.getFileContents(`/${path}`)).equals(content)) fail(`${name} did not come back as it was sent`);
}
const listed = (await dav.getDirectoryContents(`/${folder}`)).map((each) => each.basename).sort();
if (JSON.stringify(listed) !== JSON.stringify([...contents.keys(), "ünder 🎬"].sort())) fail(`the listing is another: ${listed}`);
if ((await dav.stat(`/${folder}/large.bin`)).size !== 20_000_000) fail("the size of large.bin is wrong");
const part = [];
for await (const chunk of dav.createReadStream(`/${folder}/large.bin`, { range: { start: 10_000_001, end: 10_001_000 } })) part.push(chunk);
if (!Buffer.concat(part).equals(contents.get("large.bin").subarray(10_000_001, 10_001_001))) fail("a part of the file is another");

if (await dav.putFileContents(`/${folder}/plain.txt`, "no", { overwrite: false })) fail("a file was overwritten that was not to be");
await same(`${folder}/plain.txt`, contents.get("plain.txt"));
await dav.putFileContents(`/${folder}/plain.txt`, contents.get("large.bin"));
await same(`${folder}/plain.txt`, contents.get("large.bin"));
await new Promise((done, failed) => {
  const stream = dav.createWriteStream(`/${folder}/plain.txt`, {}, done);
  stream.on("error", failed);
  stream.end(contents.get("two words.txt"));
});
await same(`${folder}/plain.txt`, contents.get("two words.txt"));
await dav.copyFile(`/${folder}/a & b.txt`, `/${top}/ünder & copy #1.txt`);
await same(`${top}/ünder & copy #1.txt`, contents.get("a & b.txt"));
await dav.moveFile(`/${top}/ünder & copy #1.txt`, `/${top}/moved 🎬.txt`);
await same(`${top}/moved 🎬.txt`, contents.get("a & b.txt"));
await gone(`${top}/ünder & copy #1.txt`);
await dav.moveFile(`/${folder}`, `/${top}/other folder`);
await same(`${top}/other folder/100 % #1.txt`, contents.get("100 % #1.txt"));
await gone(folder);
const lock = await dav.lock(`/${top}/other folder/plain.txt`);
const { status } = await fetch(at(`${top}/other folder/plain.txt`), { method: "PUT", headers, body: "no" });
if (status !== 423) fail(`a locked file was to be refused, and was ${status}`);
await dav.unlock(`/${top}/other folder/plain.txt`, lock.token);
if (await dav.exists(`/${top}/none.txt`)) fail("a missing file is there");
if (!(await dav.exists(`/${top}/other folder`))) fail("a folder is missing");
await dav.getQuota();
await dav.deleteFile(`/${top}/moved 🎬.txt`);
await gone(`${top}/moved 🎬.txt`);
await dav.deleteFile(`/${top}`);
await gone(top);
if (username) {
  const refused = await createClient(url, { username, password: "wrong" }).getDirectoryContents("/").then(() => false, (error) => error.status === 401);
  if (!refused) fail("a wrong password was taken");
}
console.log(`webdav ${version}: ${contents.size} files, put, got, listed, part, overwritten, copied, moved, locked, deleted`);
