POST / HTTP/1.1
Host: localhost
Content-Length: 2

{}