Content-Length: 0

Content-Length: 0

