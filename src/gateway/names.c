/*
 * Names between the client and the SFTP server: absolute paths, character sets,
 * quotes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"

/* "~" and "~/..." are the home directory. */
static char *
names_resolve(struct gateway *gateway, const char *name, size_t len)
{
	char path[PATH_TEXT_MAX];
	const char *base = gateway->cwd;

	if (len > 0 && name[0] == '~' && (len == 1 || name[1] == '/')) {
		base = login_home(gateway);
		name += len == 1 ? 1 : 2;
		len -= len == 1 ? 1 : 2;
	}
	if (memchr(name, '\0', len) != NULL ||
	    path_resolve(base, (const uint8_t *)name, len, path) != 0)
		return NULL;
	return strdup(path);
}

char *
names_path(struct gateway *gateway, const char *argument, size_t len)
{
	char name[PATH_TEXT_MAX];
	long n = charset_to_server(gateway->charset, argument, len, name,
	    sizeof(name));
	char *path = n < 0 ? NULL : names_resolve(gateway, name, (size_t)n);

	if (path != NULL && login_permits(gateway, path))
		return path;
	if (path != NULL) {
		free(path);
		gateway_finish(gateway, "550 Not permitted.");
		return NULL;
	}
	if (n == -EILSEQ)
		gateway_finish(gateway,
		    "553 The name is not in the client's "
		    "character set.");
	else
		gateway_finish(gateway,
		    "553 The name is too long, or has a "
		    "NUL.");
	return NULL;
}

size_t
names_for_client(struct gateway *gateway, const struct sftp_string *name,
    char *ret, size_t size)
{
	long n = charset_to_client(gateway->charset, (const char *)name->bytes,
	    name->len, ret, size);

	if (n >= 0)
		return (size_t)n;
	/* It has no such name; better a wrong one than a short listing. */
	n = charset_to_client(NULL, (const char *)name->bytes, name->len, ret,
	    size);
	return n < 0 ? 0 : (size_t)n;
}

char *
names_quote(struct gateway *gateway, const char *path)
{
	char name[PATH_TEXT_MAX];
	const struct sftp_string whole = sftp_string_of(path);
	size_t len = names_for_client(gateway, &whole, name, sizeof(name));
	char *text = malloc(2 * len + 3), *at = text;

	if (text == NULL)
		return NULL;
	*at++ = '"';
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '"')
			*at++ = '"';
		*at++ = name[i];
	}
	*at++ = '"';
	*at = '\0';
	return text;
}

/* OpenSSH on Windows has said "C:/Users" and "C:\Users"; it wants
 * "/C:/Users". */
char *
names_home(const struct sftp_string *name)
{
	bool drive = name->len >= 2 && name->bytes[1] == ':';
	size_t skip = name->len > 0 && name->bytes[0] == '/' ? 0 : 1;
	char *path = malloc(skip + name->len + 1);

	if (path == NULL)
		return NULL;
	path[0] = '/';
	memcpy(path + skip, name->bytes, name->len);
	path[skip + name->len] = '\0';
	for (char *at = path; drive && *at != '\0'; at++)
		if (*at == '\\')
			*at = '/';
	return path;
}

char *
names_join(const char *directory, const struct sftp_string *name)
{
	size_t len = strlen(directory);
	char *path = malloc(len + 1 + name->len + 1);

	if (path == NULL)
		return NULL;
	memcpy(path, directory, len);
	if (len == 0 || directory[len - 1] != '/')
		path[len++] = '/';
	memcpy(path + len, name->bytes, name->len);
	path[len + name->len] = '\0';
	return path;
}

bool
names_are_beside(const char *path, const char *other)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	return strrchr(other, '/') == other + len &&
	    memcmp(path, other, len) == 0;
}
