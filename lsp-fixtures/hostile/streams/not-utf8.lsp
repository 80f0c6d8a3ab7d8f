Content-Length: 38

{"jsonrpc":"2.0","id":1,"method":"ÿþ"}