/*
 * The lines of the configuration files.
 */
#include "conf/settings.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "conf/option.h"
#include "limits.h"

/* Longest line, and longest name of a section. */
#define LINE_BYTES_MAX 198
#define SECTION_BYTES_MAX 49

#define BLANKS " \t"

/* One file while it is read. */
struct reader {
	struct settings *settings;
	FILE *stream;
	struct setting at; /* its place; key: that of the previous line */
	int depth;	   /* of includes */
	char *why;
	char *text; /* the line; heap, of text_size bytes */
	size_t text_size;
};

static int settings_read_file(struct settings *settings, const char *path,
    int depth, char *why);

static void put_reason(char why[SETTINGS_WHY_MAX], const struct setting *at,
    bool value, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void
put_reason(char why[SETTINGS_WHY_MAX], const struct setting *at, bool value,
    const char *format, va_list args)
{
	why[0] = '\0';
	if (at != NULL)
		snprintf(why, SETTINGS_WHY_MAX, "%s:%u: ", at->file, at->line);
	if (value)
		snprintf(why + strlen(why), SETTINGS_WHY_MAX - strlen(why),
		    "%s = %s: ", at->key, at->value);
	vsnprintf(why + strlen(why), SETTINGS_WHY_MAX - strlen(why), format,
	    args);
}

int
settings_complain(char why[SETTINGS_WHY_MAX], const struct setting *at,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_reason(why, at, false, format, args);
	va_end(args);
	return -EINVAL;
}

int
settings_complain_value(char why[SETTINGS_WHY_MAX], const struct setting *at,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_reason(why, at, true, format, args);
	va_end(args);
	return -EINVAL;
}

int
settings_no_memory(char why[SETTINGS_WHY_MAX])
{
	settings_complain(why, NULL, "out of memory");
	return -ENOMEM;
}

/* Appends a copy of the setting, with copies of its texts except file.  Returns
 * 0 or -ENOMEM. */
static int
settings_append(struct settings *settings, const struct setting *from)
{
	struct setting *grown, *to;

	grown = realloc(settings->list, (settings->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	settings->list = grown;
	to = &grown[settings->n];
	*to = (struct setting) { .file = from->file, .line = from->line };
	if (asprintf(&to->memory, "%s%c%s%c%s", from->section, 0,
		from->key != NULL ? from->key : "", 0,
		from->key != NULL ? from->value : "") < 0)
		return -ENOMEM;
	to->section = to->memory;
	if (from->key != NULL) {
		to->key = to->section + strlen(to->section) + 1;
		to->value = to->key + strlen(to->key) + 1;
	}
	settings->n++;
	return 0;
}

/* ---- include ---- */

/* Returns the path of the pattern, which is relative to the directory of file,
 * on the heap; NULL when out of memory. */
static char *
beside(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	char *path = NULL;

	if (pattern[0] == '/' || slash == NULL)
		return strdup(pattern);
	if (asprintf(&path, "%.*s/%s", (int)(slash - file), file, pattern) < 0)
		return NULL;
	return path;
}

/* Reads the files that match path.  A name without wildcards must exist. */
static int
include_all(struct reader *reader, const char *path)
{
	bool plain = strpbrk(path, "*?[") == NULL;
	glob_t found = { .gl_pathc = 0 };
	int err = glob(path, plain ? GLOB_NOCHECK : 0, NULL, &found);

	if (err == GLOB_NOSPACE || err == GLOB_ABORTED)
		err = settings_complain(reader->why, &reader->at,
		    "cannot look for %s", path);
	else
		err = 0;
	for (size_t i = 0; i < found.gl_pathc && err == 0; i++)
		err = settings_read_file(reader->settings, found.gl_pathv[i],
		    reader->depth + 1, reader->why);
	globfree(&found);
	return err;
}

static int
include(struct reader *reader, const char *pattern)
{
	char *path;
	int err;

	if (reader->depth == LIMIT_INCLUDES)
		return settings_complain(reader->why, &reader->at,
		    "more than %d files, each included by the one before",
		    LIMIT_INCLUDES);
	path = beside(reader->at.file, pattern);
	if (path == NULL)
		return settings_no_memory(reader->why);
	err = include_all(reader, path);
	free(path);
	return err;
}

/* ---- lines ---- */

/* Refuses bytes that an editor does not show. */
static int
check_bytes(const struct reader *reader, const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		bool end = at[0] == '\n' || (at[0] == '\r' && at[1] == '\n');

		if (!end && (iscntrl((unsigned char)*at) && *at != '\t'))
			return settings_complain(reader->why, &reader->at,
			    "a control character (%#04x); lines end with LF or "
			    "CR LF",
			    (unsigned char)*at);
		if (strncmp(at, "\xc2\xa0", 2) == 0)
			return settings_complain(reader->why, &reader->at,
			    "a no-break space; type a blank in its place");
	}
	return 0;
}

/* Refuses "x ; y": it may be a value with a comment, or a value with a
 * semicolon. */
static int
check_comment(const struct reader *reader, const char *text)
{
	const char *at = text;

	while ((at = strpbrk(at, ";#")) != NULL) {
		if (at > text && strchr(BLANKS, at[-1]) != NULL)
			return settings_complain(reader->why, &reader->at,
			    "a comment must stand on its own line; a value "
			    "cannot contain a blank with \"%c\" behind it",
			    *at);
		at++;
	}
	return 0;
}

/* Removes blanks at the end; returns text. */
static char *
trim_end(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(BLANKS "\r\n", text[len - 1]) != NULL)
		len--;
	text[len] = '\0';
	return text;
}

/* Is it "KEY = ..." with the name of an option? */
static bool
is_key(const char *text)
{
	char key[SECTION_BYTES_MAX + 1];
	size_t len = strcspn(text, BLANKS "=");

	if (len >= sizeof(key) || text[len + strspn(text + len, BLANKS)] != '=')
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)len, text);
	return option_find(key) != NULL;
}

/* "[NAME]" */
static int
take_section(struct reader *reader, char *text)
{
	struct setting setting = reader->at;
	char *end = strchr(text, ']');
	int err;

	if (end == NULL)
		return settings_complain(reader->why, &reader->at,
		    "neither \"[section]\" nor \"key = value\"");
	if (end[1] != '\0')
		return settings_complain(reader->why, &reader->at,
		    "there is text after \"]\"; a comment must stand on its "
		    "own line");
	if (end - text > SECTION_BYTES_MAX)
		return settings_complain(reader->why, &reader->at,
		    "the section's name is too long");
	*end = '\0';
	setting.section = text + 1;
	setting.key = NULL;
	err = settings_append(reader->settings, &setting);
	if (err != 0)
		return settings_no_memory(reader->why);
	reader->at.section =
	    reader->settings->list[reader->settings->n - 1].section;
	reader->at.key = NULL;
	return 0;
}

/* Reads "KEY = VALUE", or one more value of the key of the line before. */
static int
take_value(struct reader *reader, char *text, bool more)
{
	struct setting setting = reader->at;
	char *equals = more ? NULL : strpbrk(text, "=:");

	setting.value = text;
	if (!more) {
		if (equals == NULL)
			return settings_complain(reader->why, &reader->at,
			    "neither \"[section]\" nor \"key = value\"");
		*equals = '\0';
		setting.key = trim_end(text);
		setting.value = equals + 1 + strspn(equals + 1, BLANKS);
	}
	if (setting.section[0] == '\0' && strcmp(setting.key, "include") == 0) {
		reader->at.key = "include";
		return include(reader, setting.value);
	}
	if (settings_append(reader->settings, &setting) != 0)
		return settings_no_memory(reader->why);
	reader->at.key = reader->settings->list[reader->settings->n - 1].key;
	return 0;
}

/* Reads one line, with its line end and without a NUL byte. */
static int
settings_take_line(struct reader *reader, char *text)
{
	char *start;
	bool more;

	/* The byte order mark of UTF-8. */
	if (reader->at.line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	start = text + strspn(text, BLANKS);
	if (strchr(";#\r\n", *start) != NULL)
		return 0; /* '\0' too */
	if (check_bytes(reader, start) != 0)
		return -EINVAL;
	trim_end(start);
	if (*start == '[')
		return take_section(reader, start);
	if (check_comment(reader, start) != 0)
		return -EINVAL;
	more = start > text && reader->at.key != NULL && !is_key(start);
	return take_value(reader, start, more);
}

/* ---- files ---- */

static int
settings_cannot_read(const struct reader *reader, int err)
{
	settings_complain(reader->why, NULL, "cannot read %s: %s",
	    reader->at.file, strerror(-err));
	return err;
}

/* Refuses a file that other users can write: whoever can write to it chooses
 * what ssh runs (ProxyCommand). */
static int
check_writers(const struct reader *reader)
{
	struct stat st;

	if (fstat(fileno(reader->stream), &st) != 0)
		return settings_cannot_read(reader, -errno);
	if (S_ISDIR(st.st_mode))
		return settings_cannot_read(reader, -EISDIR);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	settings_complain(reader->why, NULL,
	    "%s: other users can write to it, and so could run programs as "
	    "you; chmod go-w %s",
	    reader->at.file, reader->at.file);
	return -EPERM;
}

static int
read_stream(struct reader *reader)
{
	int err = check_writers(reader);
	ssize_t len;

	while (err == 0 &&
	    (len = getline(&reader->text, &reader->text_size,
		 reader->stream)) >= 0) {
		reader->at.line++;
		if (len > LINE_BYTES_MAX + 1)
			err = settings_complain(reader->why, &reader->at,
			    "a line has at most %d bytes", LINE_BYTES_MAX);
		else if (memchr(reader->text, '\0', (size_t)len) != NULL)
			err = settings_complain(reader->why, &reader->at,
			    "a NUL byte; a file of another encoding (UTF-16) "
			    "must be saved as UTF-8");
		else
			err = settings_take_line(reader, reader->text);
	}
	if (err == 0 && !feof(reader->stream))
		err = settings_cannot_read(reader, -errno);
	return err;
}

/* Returns a copy of the name, which settings point to and *settings owns; NULL
 * when out of memory. */
static const char *
keep_name(struct settings *settings, const char *path)
{
	char **grown =
	    realloc(settings->files, (settings->n_files + 1) * sizeof(*grown));

	if (grown == NULL)
		return NULL;
	settings->files = grown;
	grown[settings->n_files] = strdup(path);
	if (grown[settings->n_files] == NULL)
		return NULL;
	return grown[settings->n_files++];
}

static int
settings_read_file(struct settings *settings, const char *path, int depth,
    char *why)
{
	struct reader reader = {
		.settings = settings,
		.at = { .section = "", .file = keep_name(settings, path) },
		.depth = depth,
		.why = why,
	};
	int err;

	if (reader.at.file == NULL)
		return settings_no_memory(why);
	reader.stream = fopen(path, "re");
	if (reader.stream == NULL) {
		err = -errno;
		settings_complain(why, NULL, "cannot open %s: %s", path,
		    strerror(-err));
		return err;
	}
	err = read_stream(&reader);
	free(reader.text);
	fclose(reader.stream);
	return err;
}

int
settings_read(const char *path, struct settings *ret,
    char why[SETTINGS_WHY_MAX])
{
	*ret = (struct settings) { .list = NULL };
	return settings_read_file(ret, path, 0, why);
}

/* ---- as bytes: each setting is five texts, each with its NUL ---- */

char *
settings_write(const struct settings *settings, size_t *ret_len)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_len);
	bool good;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < settings->n; i++) {
		const struct setting *at = &settings->list[i];

		fprintf(out, "%s%c%s%c%s%c%s%c%u%c", at->section, 0,
		    at->key != NULL ? at->key : "", 0,
		    at->key != NULL ? at->value : "", 0, at->file, 0, at->line,
		    0);
	}
	good = !ferror(out);
	if (fclose(out) != 0 || !good) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* Returns the kept name that is equal to file, or a new one; NULL when out of
 * memory. */
static const char *
same_name(struct settings *settings, const char *file)
{
	for (size_t i = 0; i < settings->n_files; i++)
		if (strcmp(settings->files[i], file) == 0)
			return settings->files[i];
	return keep_name(settings, file);
}

static int
parse_one(const char *const texts[5], struct settings *settings)
{
	struct setting setting = {
		.section = texts[0],
		.key = texts[1][0] != '\0' ? texts[1] : NULL,
		.value = texts[2],
		.file = same_name(settings, texts[3]),
	};
	uint64_t line;

	if (setting.file == NULL)
		return -ENOMEM;
	/* A setting before the first section must have a key. */
	if (num_parse_text(texts[4], UINT32_MAX, &line) != 0 ||
	    (setting.key == NULL && texts[0][0] == '\0'))
		return -EINVAL;
	setting.line = (unsigned)line;
	return settings_append(settings, &setting);
}

int
settings_parse(const char *bytes, size_t len, struct settings *ret)
{
	const char *texts[5], *end = bytes + len;
	size_t n = 0;
	int err = 0;

	*ret = (struct settings) { .list = NULL };
	while (bytes < end && err == 0) {
		const char *nul = memchr(bytes, '\0', (size_t)(end - bytes));

		if (nul == NULL)
			return -EINVAL;
		texts[n++] = bytes;
		bytes = nul + 1;
		if (n == 5) {
			err = parse_one(texts, ret);
			n = 0;
		}
	}
	return err == 0 && n > 0 ? -EINVAL : err;
}

void
settings_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->n; i++)
		free(settings->list[i].memory);
	for (size_t i = 0; i < settings->n_files; i++)
		free(settings->files[i]);
	free(settings->list);
	free(settings->files);
	*settings = (struct settings) { .list = NULL };
}
