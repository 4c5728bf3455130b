/*
 * What stands in the configuration files.
 */
#include "conf/settings.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <ini.h>
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

/* libinih keeps so much of a section's name, and cuts what is longer. */
#define SECTION_MAX 50

/* One file while it is read. */
struct reader {
	struct settings *settings;
	FILE *stream;
	const char *file;
	unsigned line;
	int depth;
	bool sections; /* one has begun */
	int err;
	char *why;
	char *text; /* the line; heap, of text_size bytes */
	size_t text_size;
};

static int settings_read_file(struct settings *settings, const char *path,
    int depth, char *why);

static int settings_complain_here(struct reader *reader, int err,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes the place; returns its length. */
static size_t
write_place(char *why, const struct setting *at)
{
	int len =
	    snprintf(why, SETTINGS_WHY_MAX, "%s:%u: ", at->file, at->line);

	return len < 0		   ? 0 :
	    len < SETTINGS_WHY_MAX ? (size_t)len :
				     SETTINGS_WHY_MAX - 1;
}

int
settings_complain(char why[SETTINGS_WHY_MAX], const struct setting *at,
    const char *format, ...)
{
	size_t len = at != NULL ? write_place(why, at) : 0;
	va_list args;

	va_start(args, format);
	vsnprintf(why + len, SETTINGS_WHY_MAX - len, format, args);
	va_end(args);
	return -EINVAL;
}

int
settings_no_memory(char why[SETTINGS_WHY_MAX])
{
	settings_complain(why, NULL, "out of memory");
	return -ENOMEM;
}

/* The first complaint counts. */
static int
settings_complain_here(struct reader *reader, int err, const char *format, ...)
{
	const struct setting at = { .file = reader->file,
		.line = reader->line };
	va_list args;
	size_t len;

	if (reader->err != 0)
		return reader->err;
	reader->err = err;
	len = write_place(reader->why, &at);
	va_start(args, format);
	vsnprintf(reader->why + len, SETTINGS_WHY_MAX - len, format, args);
	va_end(args);
	return err;
}

/* Copies the texts, but for file.  0 or -ENOMEM. */
static int
settings_append(struct settings *settings, const struct setting *from)
{
	struct setting *grown,
	    setting = {
		    .section = strdup(from->section),
		    .key = from->key != NULL ? strdup(from->key) : NULL,
		    .value = from->value != NULL ? strdup(from->value) : NULL,
		    .file = from->file,
		    .line = from->line,
	    };

	grown = realloc(settings->list, (settings->n + 1) * sizeof(*grown));
	if (grown != NULL)
		settings->list = grown;
	if (grown == NULL || setting.section == NULL ||
	    (from->key != NULL && setting.key == NULL) ||
	    (from->value != NULL && setting.value == NULL)) {
		free(setting.section);
		free(setting.key);
		free(setting.value);
		return -ENOMEM;
	}
	grown[settings->n++] = setting;
	return 0;
}

static void
settings_add(struct reader *reader, const char *section, const char *key,
    const char *value)
{
	const struct setting setting = {
		.section = (char *)(uintptr_t)section,
		.key = (char *)(uintptr_t)key,
		.value = (char *)(uintptr_t)value,
		.file = reader->file,
		.line = reader->line,
	};

	if (settings_append(reader->settings, &setting) != 0)
		settings_complain_here(reader, -ENOMEM, "out of memory");
}

/* ---- include ---- */

/* The pattern, relative to where the file is.  NULL when out of memory. */
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

/* Reads what the pattern matches: a plain name must exist, "*.conf" may be
 * nothing. */
static void
include_all(struct reader *reader, const char *path)
{
	bool plain = strpbrk(path, "*?[") == NULL;
	glob_t found = { .gl_pathc = 0 };
	int err = glob(path, plain ? GLOB_NOCHECK : 0, NULL, &found);

	if (err == GLOB_NOSPACE || err == GLOB_ABORTED)
		settings_complain_here(reader, -EINVAL, "cannot look for %s",
		    path);
	for (size_t i = 0; i < found.gl_pathc && reader->err == 0; i++)
		reader->err = settings_read_file(reader->settings,
		    found.gl_pathv[i], reader->depth + 1, reader->why);
	globfree(&found);
}

static void
include(struct reader *reader, const char *pattern)
{
	char *path = beside(reader->file, pattern);

	if (reader->sections)
		settings_complain_here(reader, -EINVAL,
		    "include must be before the first section of a file");
	else if (reader->depth == LIMIT_INCLUDES)
		settings_complain_here(reader, -EINVAL,
		    "more than %d files, each included by the one before",
		    LIMIT_INCLUDES);
	else if (path == NULL)
		settings_complain_here(reader, -ENOMEM, "out of memory");
	else
		include_all(reader, path);
	free(path);
}

/* ---- what libinih calls ---- */

/* A section without a key it tells nobody of. */
static int
take_section(struct reader *reader, const char *text)
{
	char name[SECTION_MAX];
	const char *end = strchr(text, ']');

	if (end == NULL)
		return 0; /* libinih says so */
	if (end[1 + strspn(end + 1, " \t\r\n")] != '\0')
		return settings_complain_here(reader, -EINVAL,
		    "there is text after \"]\"; a comment must stand on its "
		    "own line");
	text++;
	if ((size_t)(end - text) >= sizeof(name))
		return settings_complain_here(reader, -EINVAL,
		    "the section's name is too long");
	snprintf(name, sizeof(name), "%.*s", (int)(end - text), text);
	reader->sections = true;
	settings_add(reader, name, NULL, NULL);
	return reader->err;
}

/* Neither libinih nor an editor shows what it would do to a value. */
static int
check_bytes(struct reader *reader, const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		bool end = at[0] == '\n' || (at[0] == '\r' && at[1] == '\n');

		if (!end && (iscntrl((unsigned char)*at) && *at != '\t'))
			return settings_complain_here(reader, -EINVAL,
			    "a control character (%#04x); lines end with LF or "
			    "CR LF",
			    (unsigned char)*at);
		if (strncmp(at, "\xc2\xa0", 2) == 0)
			return settings_complain_here(reader, -EINVAL,
			    "a no-break space; type a blank in its place");
	}
	return 0;
}

/* libinih would cut a value at some comments, and take others for a part of
 * it. */
static int
check_comment(struct reader *reader, const char *text)
{
	const char *at = text;

	while ((at = strpbrk(at, ";#")) != NULL) {
		if (at > text && (at[-1] == ' ' || at[-1] == '\t'))
			return settings_complain_here(reader, -EINVAL,
			    "a comment must stand on its own line; a value "
			    "cannot contain a blank with \"%c\" behind it",
			    *at);
		at++;
	}
	return 0;
}

/* Is it "KEY = ..." of a key that there is? */
static bool
is_key(const char *text)
{
	char key[SECTION_MAX];
	size_t len = strcspn(text, " \t=");

	if (len >= sizeof(key) || text[len + strspn(text + len, " \t")] != '=')
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)len, text);
	return strcmp(key, "destination") == 0 || option_find(key) != NULL;
}

/* Before libinih sees it: refuses what it would misread, and takes the blanks
 * from in front of a key, which would make a further value of the one above of
 * it.  0 or -EINVAL. */
static int
look_at_line(struct reader *reader, char *line)
{
	char *text = line;
	size_t blanks;

	/* A BOM, which libinih skips. */
	if (reader->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	blanks = strspn(text, " \t");
	if (strchr(";#\r\n", text[blanks]) != NULL)
		return 0; /* '\0' too */
	if (check_bytes(reader, text) != 0)
		return reader->err;
	if (text[blanks] == '[') {
		memmove(text, text + blanks, strlen(text + blanks) + 1);
		return take_section(reader, text);
	}
	if (check_comment(reader, text) == 0 && is_key(text + blanks))
		memmove(text, text + blanks, strlen(text + blanks) + 1);
	return reader->err;
}

/* As fgets(), for libinih.  NULL: the end, or an error that has been told. */
static char *
next_line(char *line, int size, void *ctx)
{
	struct reader *reader = ctx;
	ssize_t got;
	size_t len;

	if (reader->err != 0)
		return NULL;
	got = getline(&reader->text, &reader->text_size, reader->stream);
	if (got < 0)
		return NULL;
	reader->line++;
	len = (size_t)got;
	if (len >= (size_t)size) {
		settings_complain_here(reader, -EINVAL,
		    "a line has at most %d bytes", size - 2);
		return NULL;
	}
	if (memchr(reader->text, '\0', len) != NULL) {
		settings_complain_here(reader, -EINVAL,
		    "a NUL byte; a file of another encoding (UTF-16) must be "
		    "saved as UTF-8");
		return NULL;
	}
	return look_at_line(reader, reader->text) == 0 ?
	    strcpy(line, reader->text) :
	    NULL;
}

/* A key with its value; 0 is an error. */
static int
on_setting(void *ctx, const char *section, const char *key, const char *value)
{
	struct reader *reader = ctx;

	if (section[0] == '\0' && strcmp(key, "include") == 0)
		include(reader, value);
	else
		settings_add(reader, section, key, value);
	return reader->err == 0;
}

/* ---- files ---- */

/* Whoever can write there says what ssh runs, ProxyCommand for one. */
static int
check_writers(struct reader *reader)
{
	struct stat st;

	if (fstat(fileno(reader->stream), &st) != 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	return 0;
}

static int
read_stream(struct reader *reader)
{
	int err = check_writers(reader), line;

	if (err == -EPERM) {
		snprintf(reader->why, SETTINGS_WHY_MAX,
		    "%s: other users can write to it, and so could run "
		    "programs as you; chmod go-w %s",
		    reader->file, reader->file);
		return err;
	}
	if (err != 0) {
		snprintf(reader->why, SETTINGS_WHY_MAX, "cannot read %s: %s",
		    reader->file, strerror(-err));
		return err;
	}
	line = ini_parse_stream(next_line, reader, on_setting, reader);
	if (line > 0 && reader->err == 0) {
		reader->line = (unsigned)line;
		settings_complain_here(reader, -EINVAL,
		    "neither \"[section]\" nor \"key = value\"");
	}
	if (line == -2)
		settings_complain_here(reader, -ENOMEM, "out of memory");
	return reader->err;
}

/* Keeps the name, which settings point to.  NULL when out of memory. */
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
		.file = keep_name(settings, path),
		.depth = depth,
		.why = why,
	};
	int err;

	if (reader.file == NULL) {
		return settings_no_memory(why);
	}
	reader.stream = fopen(path, "re");
	if (reader.stream == NULL) {
		err = -errno;
		snprintf(why, SETTINGS_WHY_MAX, "cannot open %s: %s", path,
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

/* ---- as bytes: each setting five texts, each with its NUL ---- */

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
		    at->value != NULL ? at->value : "", 0, at->file, 0,
		    at->line, 0);
	}
	good = !ferror(out);
	if (fclose(out) != 0 || !good) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* The kept name that is the same, or one more.  NULL when out of memory. */
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
		.section = (char *)(uintptr_t)texts[0],
		.file = same_name(settings, texts[3]),
	};
	uint64_t line;

	if (setting.file == NULL)
		return -ENOMEM;
	if (texts[1][0] != '\0') {
		setting.key = (char *)(uintptr_t)texts[1];
		setting.value = (char *)(uintptr_t)texts[2];
	}
	/* Before the first section there is a key. */
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
	for (size_t i = 0; i < settings->n; i++) {
		free(settings->list[i].section);
		free(settings->list[i].key);
		free(settings->list[i].value);
	}
	for (size_t i = 0; i < settings->n_files; i++)
		free(settings->files[i]);
	free(settings->list);
	free(settings->files);
	*settings = (struct settings) { .list = NULL };
}
