; What the web server can answer.

.global replies, replies_end, reply_bad, reply_nothing, reply_method, reply_long_line, reply_long_head, reply_version

; ANSWER path, status, fields, body, end: a REPLY.
.macro ANSWER path, status, fields, body, end
    .long \path, \status, \fields, \body, \end - \body
.endm

.rodata

.align 4
replies:                        ; what there is at a path
    ANSWER path_root,  status_ok, type_html, index, index_end
    ANSWER path_index, status_ok, type_html, index, index_end
    ANSWER path_1k,    status_ok, type_html, lines, lines_1k
    ANSWER path_4k,    status_ok, type_html, lines, lines_4k
    ANSWER path_16k,   status_ok, type_html, lines, lines_16k
replies_end:
reply_bad:
    ANSWER 0, status_bad, type_text, body_bad, body_bad_end
reply_nothing:
    ANSWER 0, status_nothing, type_text, body_nothing, body_nothing_end
reply_method:
    ANSWER 0, status_method, type_text_allow, body_method, body_method_end
reply_long_line:
    ANSWER 0, status_long_line, type_text, body_long, body_long_end
reply_long_head:
    ANSWER 0, status_long_head, type_text, body_long, body_long_end
reply_version:
    ANSWER 0, status_version, type_text, body_version, body_version_end

path_root:
    .asciz "/"
path_index:
    .asciz "/index.html"
path_1k:
    .asciz "/1k.html"
path_4k:
    .asciz "/4k.html"
path_16k:
    .asciz "/16k.html"

status_ok:
    .asciz "200 OK"
status_bad:
    .asciz "400 Bad Request"
status_nothing:
    .asciz "404 Not Found"
status_method:
    .asciz "405 Method Not Allowed"
status_long_line:
    .asciz "414 URI Too Long"
status_long_head:
    .asciz "431 Request Header Fields Too Large"
status_version:
    .asciz "505 HTTP Version Not Supported"

type_html:
    .asciz "Content-Type: text/html; charset=utf-8\r\n"
type_text_allow:
    .ascii "Allow: GET, HEAD\r\n"
type_text:
    .asciz "Content-Type: text/plain; charset=utf-8\r\n"

body_bad:
    .ascii "this is no request\n"
body_bad_end:
body_nothing:
    .ascii "there is nothing at this path\n"
body_nothing_end:
body_method:
    .ascii "GET and HEAD are what can be done here\n"
body_method_end:
body_long:
    .ascii "the request is too long\n"
body_long_end:
body_version:
    .ascii "HTTP/1.0 and HTTP/1.1 are spoken here\n"
body_version_end:

index:
    .ascii "<!DOCTYPE html>\n"
    .ascii "<html lang=\"en\">\n"
    .ascii "<title>Trapline</title>\n"
    .ascii "<h1>It works</h1>\n"
    .ascii "<p>A web server on a machine that does not exist.\n"
    .ascii "<p>There are pages of <a href=\"/4k.html\">4 KiB</a> and of <a href=\"/16k.html\">16 KiB</a>.\n"
index_end:

LINE = 64                       ; bytes of a line of the pages that are here for their length

lines:
    .ascii "<!DOCTYPE html><html lang=\"en\"><title>Lines</title><p>First one\n"
.assert . - lines == LINE, "a line of another length"
.rept 1024 / LINE - 1
    .ascii "<p>Here is a line of sixty-four bytes and so is every other one\n"
.endr
.assert . - lines == 1024, "1 KiB is not what the page has"
lines_1k:
.rept (4096 - 1024) / LINE
    .ascii "<p>Here is a line of sixty-four bytes and so is every other one\n"
.endr
.assert . - lines == 4096, "4 KiB is not what the page has"
lines_4k:
.rept (16384 - 4096) / LINE
    .ascii "<p>Here is a line of sixty-four bytes and so is every other one\n"
.endr
lines_16k:
.assert . - lines == 16384, "16 KiB is not what the page has"
