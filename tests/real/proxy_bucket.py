"""A bucket whose folder `many` cannot be listed beyond its first page, and with one large object, `film`. Prints its port.

It looks at no signature: it stands in for a storage in trouble, not for a cloud.
"""
import http.server
import urllib.parse

XML = '<?xml version="1.0" encoding="UTF-8"?>'
HEAD = '<ListBucketResult><Name>bucket</Name><Prefix>{}</Prefix><MaxKeys>1000</MaxKeys>'
ENTRY = ('<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"{:032x}"</ETag>'
         '<Size>1</Size></Contents>')


class Bucket(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
        prefix = query.get("prefix", "")
        if "continuation-token" in query or "marker" in query:
            return self.answer(403, XML + "<Error><Code>AccessDenied</Code><Message>no more</Message></Error>")
        if "list-type" not in query:
            return self.answer(404, XML + "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        body = HEAD.format(prefix)
        if prefix == "many/" and query.get("delimiter"):
            keys = "".join(ENTRY.format(f"many/{n:05}", n) for n in range(1000))
            body += f"<KeyCount>1000</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{keys}"
        elif prefix == "many/":
            body += f"<KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>{ENTRY.format('many/00000', 0)}"
        else:
            body += "<KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"
        self.answer(200, XML + body + "</ListBucketResult>")

    def do_HEAD(self):
        if urllib.parse.urlsplit(self.path).path == "/bucket/film":
            self.send_response(200)
            for name, value in [("Content-Length", "10000000"), ("ETag", '"film"'), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")]:
                self.send_header(name, value)
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
print(server.server_address[1], flush=True)
server.serve_forever()
