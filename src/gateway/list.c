/*
 * Lines of directory listings, their options and their facts.
 */
#include "gateway/list.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- options ---- */

/* The letters of one word of options. */
static void
read_letters(const char *word, size_t len, struct list_options *options)
{
	for (size_t i = 0; i < len; i++)
		if (word[i] == 'a') {
			options->all = true;
			options->almost = false;
		} else if (word[i] == 'A') {
			options->all = false;
			options->almost = true;
		} else if (word[i] == 'd') {
			options->directory = true;
		}
}

static size_t
count_blanks(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (text[n] == ' ' || text[n] == '\t'))
		n++;
	return n;
}

const char *
list_read_options(const char *argument, size_t len, struct list_options *ret,
    size_t *ret_len)
{
	size_t at = count_blanks(argument, len), word;
	bool ended = false;

	*ret = (struct list_options) { .all = false };
	while (!ended && len - at >= 2 && argument[at] == '-') {
		for (word = 1; at + word < len; word++)
			if (count_blanks(argument + at + word, 1) == 1)
				break;
		/* "- x": a path, and not an option without letters. */
		if (word == 1)
			break;
		/* "--all" is not -a and two -l. */
		ended = word == 2 && argument[at + 1] == '-';
		if (argument[at + 1] != '-')
			read_letters(argument + at + 1, word - 1, ret);
		at += word;
		at += count_blanks(argument + at, len - at);
	}
	*ret_len = len - at;
	return argument + at;
}

bool
list_hides(const struct list_options *options, const struct sftp_string *name)
{
	if (options->all || name->len == 0 || name->bytes[0] != '.')
		return false;
	return !options->almost || name->len == 1 ||
	    (name->len == 2 && name->bytes[1] == '.');
}

/* ---- lines ---- */

/* A line that is being written; there is room for everything (LIST_LINE_MAX).
 */
struct line {
	char *text;
	size_t len;
};

static void __attribute__((format(printf, 2, 3)))
line_add(struct line *line, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, LIST_LINE_MAX - line->len,
	    format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len;
}

static void
line_add_name(struct line *line, const struct sftp_string *name)
{
	for (size_t i = 0; i < name->len; i++) {
		char byte = (char)name->bytes[i];

		if (byte == '\r' || byte == '\n' || byte == '\0')
			byte = '?';
		line->text[line->len++] = byte;
	}
}

static bool
entry_has(const struct list_entry *entry, enum sftp_attr attr)
{
	return (entry->attrs.has & attr) != 0;
}

/* The type as in st_mode; 0 if it is not known. */
static uint32_t
entry_type(const struct list_entry *entry)
{
	if (entry->target.bytes != NULL)
		return S_IFLNK;
	if (entry_has(entry, SFTP_ATTR_MODE) &&
	    (entry->attrs.mode & S_IFMT) != 0)
		return entry->attrs.mode & S_IFMT;
	return entry->type != NULL ? S_IFDIR : 0;
}

/*
 * The types of st_mode: their letter in ls(1), and their fact.  A link's is as
 * the errata of RFC 3659 (1500) and IANA have it; the examples of the RFC have
 * "OS.unix=slink:TARGET", where a ; in the target would end the fact.  What is
 * neither a directory nor a link is a file: lftp drops entries of other types
 * and those without one, and does not parse a listing with many of them.
 */
static const struct {
	uint32_t type;
	char letter;
	const char *fact;
} types[] = {
	{ S_IFREG, '-', "file" },
	{ S_IFDIR, 'd', "dir" },
	{ S_IFLNK, 'l', "OS.unix=symlink" },
	{ S_IFCHR, 'c', "file" },
	{ S_IFBLK, 'b', "file" },
	{ S_IFIFO, 'p', "file" },
	{ S_IFSOCK, 's', "file" },
};

#define N_TYPES (sizeof(types) / sizeof(*types))

/* The index in types; that of a regular file for an unknown one. */
static size_t
find_type(uint32_t type)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].type == type)
			return i;
	return 0;
}

/* The permissions.  Clients do not take "?" for one of them, and lftp's mirror
 * gives its copies those that it sees. */
static uint32_t
entry_mode(const struct list_entry *entry, uint32_t type)
{
	if (entry_has(entry, SFTP_ATTR_MODE))
		return entry->attrs.mode;
	return type == S_IFLNK ? 0777 : type == S_IFDIR ? 0755 : 0644;
}

/* As ls(1) shows them: an execute bit is s or t, or S or T if it is not set,
 * where setuid, setgid or sticky is. */
static void
line_add_mode(struct line *line, uint32_t mode)
{
	for (unsigned who = 0; who < 3; who++) {
		uint32_t bits = mode >> (6 - 3 * who);
		bool special = (mode & (04000 >> who)) != 0;
		const char *execute = !special ? "-x" : who < 2 ? "Ss" : "Tt";

		line_add(line, "%c%c%c", (bits & 4) != 0 ? 'r' : '-',
		    (bits & 2) != 0 ? 'w' : '-', execute[bits & 1]);
	}
}

static void
write_long(struct line *line, const struct list_entry *entry, int64_t now)
{
	const struct sftp_attrs *attrs = &entry->attrs;
	bool owned = entry_has(entry, SFTP_ATTR_OWNER);
	uint32_t type = entry_type(entry);
	char date[LIST_DATE_MAX];

	list_format_date(entry_has(entry, SFTP_ATTR_TIMES) ? attrs->mtime : 0,
	    now, date);
	line_add(line, "%c", types[find_type(type)].letter);
	line_add_mode(line, entry_mode(entry, type));
	/* SFTP has no count of links. */
	line_add(line, " %4d %-8" PRIu32 " %-8" PRIu32 " %8" PRIu64 " %s ", 1,
	    owned ? attrs->uid : 0, owned ? attrs->gid : 0,
	    entry_has(entry, SFTP_ATTR_SIZE) ? attrs->size : 0, date);
	line_add_name(line, &entry->name);
	if (entry->target.len > 0 && entry->target.len <= SFTP_PATH_MAX) {
		line_add(line, " -> ");
		line_add_name(line, &entry->target);
	}
}

/* ---- facts ---- */

/* Their names, and what must be known of the entry. */
static const struct {
	enum list_fact fact;
	const char *name;
	uint32_t has;
} fact_names[] = {
	{ LIST_TYPE, "type", 0 },
	{ LIST_SIZE, "size", SFTP_ATTR_SIZE },
	{ LIST_MODIFY, "modify", SFTP_ATTR_TIMES },
	{ LIST_MODE, "UNIX.mode", SFTP_ATTR_MODE },
	{ LIST_OWNER, "UNIX.owner", SFTP_ATTR_OWNER },
	{ LIST_GROUP, "UNIX.group", SFTP_ATTR_OWNER },
};

#define N_FACTS (sizeof(fact_names) / sizeof(*fact_names))

/* The value of a fact; false if there is none. */
static bool
fact_value(enum list_fact fact, const struct list_entry *entry, char *value,
    size_t size)
{
	const struct sftp_attrs *attrs = &entry->attrs;
	uint32_t type = entry_type(entry);

	switch (fact) {
	case LIST_TYPE:
		snprintf(value, size, "%s",
		    entry->type != NULL ? entry->type :
					  types[find_type(type)].fact);
		return true;
	case LIST_SIZE:
		/* That of a link is not that of what RETR sends. */
		snprintf(value, size, "%" PRIu64, attrs->size);
		return type == S_IFREG || type == 0;
	case LIST_MODIFY:
		list_format_time(attrs->mtime, value);
		return true;
	case LIST_MODE:
		snprintf(value, size, "%04" PRIo32, attrs->mode & 07777);
		return true;
	case LIST_OWNER:
	case LIST_GROUP:
		snprintf(value, size, "%" PRIu32,
		    fact == LIST_OWNER ? attrs->uid : attrs->gid);
		return true;
	}
	return false;
}

static void
write_facts(struct line *line, const struct list_entry *entry, unsigned facts)
{
	char value[32];

	for (size_t i = 0; i < N_FACTS; i++) {
		uint32_t needed = fact_names[i].has;

		if ((facts & fact_names[i].fact) != 0 &&
		    (entry->attrs.has & needed) == needed &&
		    fact_value(fact_names[i].fact, entry, value, sizeof(value)))
			line_add(line, "%s=%s;", fact_names[i].name, value);
	}
	line_add(line, " ");
	line_add_name(line, &entry->name);
}

size_t
list_line(enum list_style style, const struct list_entry *entry, int64_t now,
    unsigned facts, char text[LIST_LINE_MAX])
{
	struct line line = { text, 0 };

	if (entry->name.len == 0 || entry->name.len > SFTP_PATH_MAX)
		return 0;
	switch (style) {
	case LIST_LONG:
		write_long(&line, entry, now);
		break;
	case LIST_NAMES:
		line_add_name(&line, &entry->name);
		break;
	case LIST_FACTS:
		write_facts(&line, entry, facts);
		break;
	}
	line_add(&line, "\r\n");
	return line.len;
}

/* The fact of a name; 0 if it is unknown. */
static unsigned
find_fact(const char *name, size_t len)
{
	for (size_t i = 0; i < N_FACTS; i++)
		if (strlen(fact_names[i].name) == len &&
		    strncasecmp(fact_names[i].name, name, len) == 0)
			return fact_names[i].fact;
	return 0;
}

unsigned
list_read_facts(const char *text, size_t len)
{
	const char *end = text + len, *semicolon;
	unsigned facts = 0;

	for (; text < end; text = semicolon + 1) {
		semicolon = memchr(text, ';', (size_t)(end - text));
		/* RFC 3659 has one behind each; the last may be missing. */
		if (semicolon == NULL)
			return facts | find_fact(text, (size_t)(end - text));
		facts |= find_fact(text, (size_t)(semicolon - text));
	}
	return facts;
}

const char *
list_write_facts(unsigned facts, unsigned chosen, bool star,
    char text[LIST_FACTS_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < N_FACTS; i++)
		if ((facts & fact_names[i].fact) != 0)
			len += (size_t)snprintf(text + len,
			    LIST_FACTS_MAX - len, "%s%s;", fact_names[i].name,
			    star && (chosen & fact_names[i].fact) != 0 ? "*" :
									 "");
	return text;
}
