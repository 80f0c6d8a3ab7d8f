#!/usr/bin/env python3
"""A language server with written answers, so that every state of an editor plugin can be brought about.

    scripted_server.py RULES LOG

RULES is JSON: [{"before": …, "items": [{"text": …, "back": 0, "drop": 0}, …], "hold": false}, …]. A request is answered
by the first rule whose "before" ends the line before the cursor: "back" UTF-16 units before the cursor up to "drop"
after it are replaced. Several items only when the user asked (triggerKind 1). "hold" answers nothing until the request
is cancelled or a newer one comes. LOG gets one JSON object per message of the client: method, params and the
document as the server knows it, by which a test sees what the editor really sent.
"""

import json
import sys

ENCODING = "utf-16-le"


def read_message(stream):
    length = None
    while True:
        line = stream.readline()
        if not line:
            return None
        if line == b"\r\n":
            return json.loads(stream.read(length))
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)


def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def units(text):
    return len(text.encode(ENCODING)) // 2


def offset(text, position):
    """The code point that a position means; an impossible one is an error, since no editor should send it."""
    lines = text.split("\n")
    line = lines[position["line"]]
    encoded = line.removesuffix("\r").encode(ENCODING)
    if position["character"] * 2 > len(encoded):
        raise ValueError(f"{position} is outside of {line!r}")
    before = encoded[: position["character"] * 2].decode(ENCODING)
    return sum(len(each) + 1 for each in lines[: position["line"]]) + len(before)


class Server:
    def __init__(self, rules, log):
        self.rules, self.log = rules, log
        self.documents, self.held, self.item_count = {}, None, 0

    def handle(self, message):
        method, params, ident = message.get("method"), message.get("params") or {}, message.get("id")
        if method == "textDocument/didOpen":
            self.documents[params["textDocument"]["uri"]] = params["textDocument"]["text"]
        elif method == "textDocument/didChange":
            self.change(params)
        document = self.documents.get(params.get("textDocument", {}).get("uri"))
        self.log.write(json.dumps({"method": method, "params": params, "document": document}) + "\n")
        self.log.flush()
        if method == "initialized":
            send(method="window/logMessage", params={"type": 1, "message": "scripted trouble"})
            send(method="window/logMessage", params={"type": 3, "message": "scripted news"})
        if method == "initialize":
            send(id=ident, result={"capabilities": {
                "textDocumentSync": {"openClose": True, "change": 2}, "inlineCompletionProvider": True,
                "positionEncoding": "utf-16"}, "serverInfo": {"name": "scripted"}})
        elif method == "textDocument/inlineCompletion":
            self.complete(ident, params, document)
        elif method == "$/cancelRequest":
            if self.held == params["id"]:
                self.held = None
                send(id=params["id"], error={"code": -32800, "message": "cancelled"})
        elif method == "exit":
            return False
        elif ident is not None and method:
            send(id=ident, result=None)
        return True

    def change(self, params):
        uri = params["textDocument"]["uri"]
        for change in params["contentChanges"]:
            text = self.documents[uri]
            if "range" in change and change["range"]:
                start = offset(text, change["range"]["start"])
                end = offset(text, change["range"]["end"])
                text = text[:start] + change["text"] + text[end:]
            else:
                text = change["text"]
            self.documents[uri] = text

    def complete(self, ident, params, document):
        if self.held is not None:
            send(id=self.held, result=None)
            self.held = None
        position = params["position"]
        end = offset(document, position)
        before = document[document.rfind("\n", 0, end) + 1 : end]
        rule = next((rule for rule in self.rules if before.endswith(rule["before"])), None)
        if rule is None:
            return send(id=ident, result=None)
        if rule.get("hold"):
            self.held = ident
            return None
        items = rule["items"] if params["context"]["triggerKind"] == 1 else rule["items"][:1]
        send(id=ident, result={"items": [self.item(item, position) for item in items]})

    def item(self, item, position):
        self.item_count += 1
        line, character = position["line"], position["character"]
        return {
            "insertText": item["text"],
            "range": {
                "start": {"line": line, "character": character - item.get("back", 0)},
                "end": {"line": line, "character": character + item.get("drop", 0)},
            },
            "command": {"title": "taken", "command": "test.taken", "arguments": [str(self.item_count)]},
        }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rules = json.load(file)
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        server = Server(rules, log)
        while (message := read_message(sys.stdin.buffer)) is not None:
            if not server.handle(message):
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
