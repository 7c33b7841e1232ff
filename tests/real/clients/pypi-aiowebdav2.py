"""aiowebdav2, which is made on aiohttp."""

import asyncio
from importlib.metadata import version

from pypi_steps import not_installed, run

try:
    from aiowebdav2 import Client
except ImportError:
    not_installed("aiowebdav2")


class Dav:
    def __init__(self, url, user, password):
        self.loop = asyncio.new_event_loop()
        self.client = self.now(self.made(url, user, password))

    async def made(self, url, user, password):
        return Client(url, user, password)

    def now(self, work):
        return self.loop.run_until_complete(work)

    def close(self):
        self.now(self.client.close())

    def mkdir(self, path):
        self.now(self.client.mkdir(path))

    def put(self, file, path):
        self.now(self.client.upload_file(path, file))

    def get(self, path, file):
        self.now(self.client.download_file(path, file))

    def names(self, path):
        return [each.rstrip("/").rsplit("/", 1)[-1] for each in self.now(self.client.list_files(path + "/"))]

    def size(self, path):
        return int(self.now(self.client.info(path))["size"])

    def exists(self, path):
        return self.now(self.client.check(path))

    def copy(self, source, target):
        self.now(self.client.copy(source, target))

    def move(self, source, target):
        self.now(self.client.move(source, target))

    def delete(self, path):
        self.now(self.client.clean(path))


run("aiowebdav2 " + version("aiowebdav2"), Dav)
