"""webdavclient3, which is made on requests."""

from importlib.metadata import version
from urllib.parse import urlsplit

from pypi_steps import not_installed, run

try:
    from webdav3.client import Client
except ImportError:
    not_installed("webdavclient3")


class Dav:
    def __init__(self, url, user, password):
        # It takes a folder's own entry for a member where the path is part of the host's name.
        host, path = "{0.scheme}://{0.netloc}".format(urlsplit(url)), urlsplit(url).path
        self.client = Client({"webdav_hostname": host, "webdav_root": path, "webdav_login": user, "webdav_password": password, "webdav_timeout": 60})

    def mkdir(self, path):
        self.client.mkdir(path)

    def put(self, file, path):
        self.client.upload_sync(local_path=str(file), remote_path=path)

    def get(self, path, file):
        self.client.download_sync(local_path=str(file), remote_path=path)

    def names(self, path):
        return self.client.list(path + "/")

    def size(self, path):
        return int(self.client.info(path)["size"])

    def exists(self, path):
        return self.client.check(path)

    def copy(self, source, target):
        self.client.copy(remote_path_from=source, remote_path_to=target)

    def move(self, source, target):
        self.client.move(remote_path_from=source, remote_path_to=target)

    def delete(self, path):
        self.client.clean(path)


run("webdavclient3 " + version("webdavclient3"), Dav)
