/*
 * Lines of directory listings, made from a file's attributes, never from what
 * an SFTP server calls longname: LIST and NLST (RFC 959 section 4.1.3), MLSD
 * and MLST (RFC 3659 section 7).  Pure: no I/O, no clock, no memory of its own.
 */
#ifndef GATEWAY_LIST_H
#define GATEWAY_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sftp/packet.h"

enum list_style {
	LIST_LONG,  /* LIST: as "ls -l" */
	LIST_NAMES, /* NLST: the name */
	LIST_FACTS, /* MLSD, MLST: facts, a blank, the name */
};

/* The facts of MLSD (RFC 3659 section 7.5; UNIX.* are IANA's). */
enum list_fact {
	LIST_TYPE = 1 << 0,
	LIST_SIZE = 1 << 1,
	LIST_MODIFY = 1 << 2,
	LIST_MODE = 1 << 3,
	LIST_OWNER = 1 << 4,
	LIST_GROUP = 1 << 5,
};

#define LIST_ALL_FACTS 0x3f

/* The options of "LIST -al DIRECTORY", as those of ls(1). */
struct list_options {
	bool all;	/* -a: names that begin with a dot, too */
	bool almost;	/* -A: the same without "." and ".." */
	bool directory; /* -d: the directory itself, not its entries */
};

/*
 * Reads the options at the beginning of the argument of LIST, NLST or STAT;
 * unknown ones are ignored, "--" ends them.  Returns the rest, without blanks
 * at its beginning: a path or ""; *ret_len is its length.
 */
const char *list_read_options(const char *argument, size_t len,
    struct list_options *ret, size_t *ret_len);

/* Is the name left out of a LIST or NLST with these options? */
bool list_hides(const struct list_options *options,
    const struct sftp_string *name);

/* One entry. */
struct list_entry {
	struct sftp_string name; /* as it is to appear */
	struct sftp_attrs attrs; /* mode with the type; what is not in has is
				  * shown as unknown ("?", or left out) */
	/* A symbolic link: what READLINK returned, or bytes NULL; for facts it
	 * is the type "OS.unix=symlink". */
	struct sftp_string target;
	/* MLSD: "cdir" for ".", "pdir" for ".."; else NULL. */
	const char *type;
};

/* The longest line: two paths, and what is around them. */
#define LIST_LINE_MAX (2 * 4096 + 512)

/*
 * Writes the line of an entry, with CR LF, and returns its length.  now:
 * seconds since 1970, for LIST_LONG: the time of day is shown for the last six
 * months, else the year; all times are UTC.  facts: of enum list_fact, for
 * LIST_FACTS. CR, LF and NUL in names become "?": no line can carry them.
 * Returns 0 if the name is longer than a path may be.
 */
size_t list_line(enum list_style style, const struct list_entry *entry,
    int64_t now, unsigned facts, char line[LIST_LINE_MAX]);

/* "20261130093700", the time of MDTM, MFMT and of the fact modify (RFC 3659
 * section 2.3), UTC.  text has room for 15 bytes. */
void list_format_time(int64_t seconds, char text[15]);

/* Reads such a time, 14 digits with or without a fraction; 0 or -EINVAL. */
int list_parse_time(const char *text, size_t len, int64_t *ret);

/*
 * Does the name match the glob, which has *, ?, [a-z], [!a-z] and \ as in
 * fnmatch(3)?  A star does not match a dot at the beginning.  It takes time
 * proportional to both lengths at most.
 */
bool list_matches(const char *glob, size_t glob_len,
    const struct sftp_string *name);

/* Has it a character that makes it a glob? */
bool list_is_glob(const char *text, size_t len);

/* Reads the argument of "OPTS MLST": "type;size;"; returns the facts; unknown
 * ones are ignored (RFC 3659 section 7.9). */
unsigned list_read_facts(const char *text, size_t len);

/* Writes the facts as FEAT and the reply to OPTS MLST have them: "type;size;",
 * with star a "*" behind each that is in chosen.  Returns text. */
#define LIST_FACTS_MAX 128
const char *list_write_facts(unsigned facts, unsigned chosen, bool star,
    char text[LIST_FACTS_MAX]);

#endif
