Content-Length:
 2

{}