/*
 * The login file of the gateway.
 */
#include "gateway/login_file.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

#define LOGIN_FORM "a line is user:hash:directory:rules"

struct login_file {
	unsigned references;
	char *text; /* the fields of the users point into it */
	size_t len;
	struct login_user *users; /* in the order of their names */
	size_t n;
};

/* The methods, and how long the hash behind the last "$" is. */
static const struct {
	const char *prefix;
	size_t len;
} login_methods[] = {
	{ "$y$", 43 },
	{ "$6$", 86 },
	{ "$2a$", 53 },
	{ "$2b$", 53 },
	{ "$2y$", 53 },
};

/* A setting of yescrypt with its default cost.  It is no hash, so no password
 * matches it. */
#define LOGIN_NO_USER "$y$j9T$................$"

/* ---- one line ---- */

/* If a hash was cut off, its user would not notice it before he cannot log in.
 */
static bool
login_hash_is_complete(const char *hash)
{
	static const char letters[] = "./=,$0123456789"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz";
	int known = crypt_checksalt(hash);

	if (known == CRYPT_SALT_INVALID ||
	    known == CRYPT_SALT_METHOD_DISABLED ||
	    strlen(hash) >= CRYPT_OUTPUT_SIZE ||
	    hash[strspn(hash, letters)] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(login_methods) / sizeof(*login_methods);
	     i++)
		if (strncmp(hash, login_methods[i].prefix,
			strlen(login_methods[i].prefix)) == 0)
			return strlen(strrchr(hash, '$') + 1) ==
			    login_methods[i].len;
	return false;
}

/* Reads a line without control characters.  Returns NULL, or what is wrong. */
static const char *
login_read_user(char *line, struct login_user *ret)
{
	char *name = strsep(&line, ":"), *hash = strsep(&line, ":");
	char *directory = strsep(&line, ":"), *rules = strsep(&line, ":");

	if (line != NULL)
		return "too many colons; " LOGIN_FORM;
	if (hash == NULL)
		return "no hash; " LOGIN_FORM;
	if (!login_file_is_user(name))
		return "the user is empty, or begins or ends with a blank";
	ret->name = name;
	ret->hash = hash;
	ret->disabled = hash[0] == '*' || hash[0] == '!';
	if (!ret->disabled && !login_hash_is_complete(hash))
		return "not a complete hash of yescrypt, sha512crypt or bcrypt";
	ret->directory = directory != NULL ? directory : "";
	ret->read_only = rules != NULL && strcmp(rules, "read-only") == 0;
	if (rules != NULL && rules[0] != '\0' && !ret->read_only)
		return "unknown rule; the only one is \"read-only\"";
	return NULL;
}

/* Is the line free of bytes that no line may have?  Comments may have tabs. */
static bool
login_is_plain(const char *line, size_t len)
{
	bool comment = len > 0 && line[0] == '#';

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)line[i];

		if (byte == 0x7f || (byte < ' ' && !(comment && byte == '\t')))
			return false;
	}
	return true;
}

/* Takes a line of the copied text, with a NUL at its end. */
static const char *
login_take_line(struct login_file *file, char *line, struct login_user *user)
{
	const char *wrong;

	if (user->len > LIMIT_LOGIN_LINE)
		return "the line is too long";
	if (!login_is_plain(line, user->len))
		return "a CR, a NUL or another control character";
	if (user->len == 0 || line[0] == '#')
		return NULL;
	wrong = login_read_user(line, user);
	if (wrong != NULL)
		return wrong;
	/* There is room for a power of two users: if n is one, no more. */
	if ((file->n & (file->n - 1)) == 0) {
		struct login_user *grown = reallocarray(file->users,
		    file->n > 0 ? 2 * file->n : 1, sizeof(*grown));

		if (grown == NULL)
			return "out of memory";
		file->users = grown;
	}
	file->users[file->n++] = *user;
	return NULL;
}

/* ---- the file ---- */

/* Orders users by name, and those with the same name by line. */
static int
login_compare(const void *a, const void *b)
{
	const struct login_user *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	if (order != 0)
		return order;
	return one->line < other->line ? -1 : one->line > other->line;
}

/* Returns NULL, or what is wrong in line *ret_line. */
static const char *
login_take_text(struct login_file *file, unsigned *ret_line)
{
	char *line = file->text, *end = line + file->len;
	const char *wrong = NULL;

	for (*ret_line = 0; line < end && wrong == NULL; line++) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		struct login_user user = {
			.line = ++*ret_line,
			.at = (size_t)(line - file->text),
		};

		if (stop == NULL)
			stop = end;
		*stop = '\0';
		user.len = (size_t)(stop - line);
		wrong = login_take_line(file, line, &user);
		line = stop;
	}
	if (wrong != NULL || file->n == 0)
		return wrong;
	qsort(file->users, file->n, sizeof(*file->users), login_compare);
	for (size_t i = 1; i < file->n; i++)
		if (strcmp(file->users[i - 1].name, file->users[i].name) == 0) {
			*ret_line = file->users[i].line;
			return "this user is in an earlier line already";
		}
	return NULL;
}

static void
login_release(struct login_file *file)
{
	explicit_bzero(file->text, file->len);
	free(file->text);
	free(file->users);
	free(file);
}

struct login_file *
login_file_parse(const char *text, size_t len, char *why, size_t size)
{
	struct login_file *file = calloc(1, sizeof(*file));
	const char *wrong;
	unsigned line;

	if (file != NULL && len <= LIMIT_LOGIN_FILE)
		file->text = malloc(len + 1);
	if (file == NULL || file->text == NULL) {
		snprintf(why, size, "%s",
		    len > LIMIT_LOGIN_FILE ? "the file is too large" :
					     "out of memory");
		free(file);
		return NULL;
	}
	file->references = 1;
	file->len = len;
	if (len > 0)
		memcpy(file->text, text, len);
	wrong = login_take_text(file, &line);
	if (wrong == NULL)
		return file;
	snprintf(why, size, "line %u: %s", line, wrong);
	login_release(file);
	return NULL;
}

struct login_file *
login_file_keep(struct login_file *file)
{
	file->references++;
	return file;
}

void
login_file_free(struct login_file *file)
{
	if (file != NULL && --file->references == 0)
		login_release(file);
}

static int
login_compare_name(const void *name, const void *user)
{
	return strcmp(name, ((const struct login_user *)user)->name);
}

const struct login_user *
login_file_find(const struct login_file *file, const char *name)
{
	if (file->n == 0)
		return NULL;
	return bsearch(name, file->users, file->n, sizeof(*file->users),
	    login_compare_name);
}

const char *
login_file_stand_in(const struct login_file *file, const char *name)
{
	size_t sum = 0;

	/* Hashes of different methods take different times.  If one hash stood
	 * in for all unknown names, its time would show that they are unknown.
	 */
	for (; *name != '\0'; name++)
		sum = sum * 31 + (unsigned char)*name;
	for (size_t i = 0; i < file->n; i++) {
		const struct login_user *user =
		    &file->users[(sum + i) % file->n];

		if (!user->disabled)
			return user->hash;
	}
	return LOGIN_NO_USER;
}

bool
login_file_is_field(const char *text)
{
	return login_is_plain(text, strlen(text)) && strchr(text, ':') == NULL;
}

bool
login_file_is_user(const char *text)
{
	return login_file_is_field(text) && text[0] != '\0' && text[0] != '#' &&
	    text[0] != ' ' && text[strlen(text) - 1] != ' ';
}
