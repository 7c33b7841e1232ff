"""webdav4, which is made on httpx."""

from importlib.metadata import version

from pypi_steps import NAMES, not_installed, run

try:
    from webdav4.client import Client
except ImportError:
    not_installed("webdav4")


class Dav:
    def __init__(self, url, user, password):
        self.client = Client(url, auth=(user, password) if user else None, timeout=60)
        self.copy, self.move, self.delete, self.exists = self.client.copy, self.client.move, self.client.remove, self.client.exists
        self.mkdir, self.size = self.client.mkdir, self.client.content_length

    def put(self, file, path):
        self.client.upload_file(str(file), path, overwrite=True)

    def get(self, path, file):
        self.client.download_file(path, str(file))

    def names(self, path):
        return [each.rsplit("/", 1)[-1] for each in self.client.ls(path, detail=False)]

    def part(self, path, offset, length):
        with self.client.open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)


# It puts a name into a URL as it stands.
run("webdav4 " + version("webdav4"), Dav, [name for name in NAMES if "?" not in name and "#" not in name])
