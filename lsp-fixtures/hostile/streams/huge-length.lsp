Content-Length: 99999999999

abc