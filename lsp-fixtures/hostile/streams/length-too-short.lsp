Content-Length: 1

{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{}}}