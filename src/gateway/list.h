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
	bool almost;	/* -A: the same without "." and ".."; of -a and -A the
			 * last one counts */
	bool directory; /* -d: the directory itself, not its entries */
};

/*
 * Reads the options at the beginning of the argument of LIST, NLST or STAT;
 * unknown ones are ignored, "--" ends them.  Returns the rest, without blanks
 * at its beginning: a path or ""; *ret_len is its length.  "-" is a path.
 */
const char *list_read_options(const char *argument, size_t len,
    struct list_options *ret, size_t *ret_len);

/* Is the name left out of a LIST or NLST with these options?  As ls(1) does,
 * without -a or -A all names that begin with a dot are. */
bool list_hides(const struct list_options *options,
    const struct sftp_string *name);

/*
 * One entry.  What is not in attrs.has is unknown.  LIST_LONG has something
 * that clients can parse instead: 0 for the owner, the size and the time; 0644
 * for the mode, of a directory 0755, of a link 0777.  LIST_FACTS has nothing.
 */
struct list_entry {
	struct sftp_string name; /* as it is to appear */
	struct sftp_attrs attrs; /* mode: with the type */
	/* What READLINK returned; bytes NULL if it is not known.  An entry with
	 * a target is a symbolic link, whatever its mode says. */
	struct sftp_string target;
	/* MLSD: "cdir" for ".", "pdir" for ".."; else NULL. */
	const char *type;
};

/* The longest line: two paths, and what is around them. */
#define LIST_LINE_MAX (2 * SFTP_PATH_MAX + 512)

/*
 * Writes the line of an entry, with CR LF, and returns its length.  now:
 * seconds since 1970, for LIST_LONG (list_format_date()).  facts: of enum
 * list_fact, for LIST_FACTS; the line begins with the first fact, or with the
 * blank if there is none.  CR, LF and NUL in names become "?": no line can
 * carry them.  Returns 0 if the name is empty or longer than SFTP_PATH_MAX; a
 * target that is longer is left out.
 *
 * LIST_LONG is what clients know from ls(1):
 *
 *	lrwxrwxrwx    1 1000     1000            4 Nov 30 09:37 name -> file
 *
 * Without its target a link has no " -> ", and libcurl does not accept a
 * listing with it: request the targets.
 *
 * Facts: the type is "dir", "OS.unix=symlink", or "file" for all others and for
 * what is unknown; only regular files and what is unknown have a size.
 */
size_t list_line(enum list_style style, const struct list_entry *entry,
    int64_t now, unsigned facts, char line[LIST_LINE_MAX]);

/* The time as LIST_LONG has it: "Nov 30 09:37" if that is in the last six
 * months and not in the future, else "Nov 30  2025"; UTC. */
#define LIST_DATE_MAX 16
void list_format_date(int64_t seconds, int64_t now, char text[LIST_DATE_MAX]);

/* "20261130093700", the time of MDTM, MFMT and of the fact modify (RFC 3659
 * section 2.3), UTC.  What is before the year 0 or after 9999 becomes the first
 * or the last second of them. */
#define LIST_TIME_MAX 15
void list_format_time(int64_t seconds, char text[LIST_TIME_MAX]);

/* Reads such a time, 14 digits with or without a fraction, which is dropped; 0
 * or -EINVAL.  Times before 1970 are negative. */
int list_parse_time(const char *text, size_t len, int64_t *ret);

/*
 * Does the whole name match the glob?  *, ?, [a-z], [!a-z], [^a-z] and \ are as
 * in fnmatch(3) with FNM_PERIOD in the C locale: bytes, a dot at the beginning
 * is matched by a dot only, and a [ without its ] is itself.  There are no
 * classes such as [:alpha:], and "/" is a byte like others.  It takes time
 * proportional to the product of both lengths at most.
 */
bool list_matches(const char *glob, size_t glob_len,
    const struct sftp_string *name);

/* Has it a *, a ? or a [ with a ] behind it?  The name of a file may have them,
 * too: a caller tries that first. */
bool list_is_glob(const char *text, size_t len);

/* Reads the argument of "OPTS MLST": "type;size;", in any case; returns the
 * facts; unknown ones are ignored (RFC 3659 section 7.9). */
unsigned list_read_facts(const char *text, size_t len);

/* Writes the facts as FEAT and the reply to OPTS MLST have them: "type;size;",
 * with star a "*" behind each that is in chosen.  Returns text. */
#define LIST_FACTS_MAX 128
const char *list_write_facts(unsigned facts, unsigned chosen, bool star,
    char text[LIST_FACTS_MAX]);

#endif
