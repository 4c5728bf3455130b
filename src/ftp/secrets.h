/*
 * Remembers the words of a client that no log may show, to find them in replies
 * that repeat them: "500 'PASS joe' not understood", "331 Password for joe".
 */
#ifndef FTP_SECRETS_H
#define FTP_SECRETS_H

#include <stddef.h>
#include <stdint.h>

/* The most words that are kept (the latest ones), and the most bytes of each.
 */
#define SECRETS_WORDS 16
#define SECRETS_WORD_MAX 64

/* Zeroed at first.  Treat the fields as private. */
struct secrets {
	char words[SECRETS_WORDS][SECRETS_WORD_MAX + 1];
	size_t next;
};

/* Keeps the words of a command line that command_shown() excludes. */
void secrets_hear(struct secrets *secrets, const uint8_t *line, size_t len);

/*
 * Returns how many bytes of a reply a log may show: those before the first of
 * the kept words, regardless of case.  A word of less than four bytes counts
 * only if it stands alone in the line.  After a code of RFC 2228 that comes
 * with security data, only the code is shown.
 */
size_t secrets_shown(const struct secrets *secrets, const uint8_t *line,
    size_t len);

/* Overwrites all words. */
void secrets_forget(struct secrets *secrets);

#endif
