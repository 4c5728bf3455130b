/*
 * File names for clients that do not speak UTF-8: names of the SFTP server are
 * UTF-8, and iconv(3) of libc converts them.  Without a struct charset, names
 * pass byte for byte.
 */
#ifndef BASE_CHARSET_H
#define BASE_CHARSET_H

#include <stddef.h>

struct charset;

/*
 * The client speaks that character set ("CP850", "ISO-8859-1"); file names are
 * UTF-8.  NULL with errno EINVAL if libc does not know it, or if ASCII is not a
 * part of it, so that "/" would not be "/"; or another one, such as ENOMEM.
 * Call it before the process is confined: libc opens files for it.  Later calls
 * open nothing.
 */
struct charset *charset_new(const char *client);
void charset_free(struct charset *charset); /* NULL is allowed */

/*
 * Converts a name or a path of the client's to UTF-8, or one of the server's to
 * what the client speaks.  Returns the length, at most size, without a NUL
 * behind it; -EILSEQ if the name is not valid where it comes from, or has a
 * character that the other side does not have, because another name would be
 * that of another file; -ENAMETOOLONG.  On failure ret has a part of it.
 * charset NULL: copies.
 */
long charset_to_server(struct charset *charset, const char *name, size_t len,
    char *ret, size_t size);
long charset_to_client(struct charset *charset, const char *name, size_t len,
    char *ret, size_t size);

#endif
