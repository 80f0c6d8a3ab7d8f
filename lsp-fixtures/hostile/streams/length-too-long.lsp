Content-Length: 900

{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}}