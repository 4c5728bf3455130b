/*
 * What a client has said that no log may show, so that it can be found in a
 * reply that repeats it: "500 'PASS joe' not understood", "331 Password for
 * joe".
 */
#ifndef FTP_SECRETS_H
#define FTP_SECRETS_H

#include <stddef.h>
#include <stdint.h>

/* So many words are kept, the last ones, each of so many bytes. */
#define SECRETS_WORDS 16
#define SECRETS_WORD_MAX 64

/* Zeroed at first.  Treat the fields as private. */
struct secrets {
	char words[SECRETS_WORDS][SECRETS_WORD_MAX + 1];
	size_t next;
};

/* Keeps the words of a command line that command_shown() leaves out. */
void secrets_hear(struct secrets *secrets, const uint8_t *line, size_t len);

/*
 * How many bytes of a reply may be shown: up to the first of these words, in
 * any case; one of less than four bytes counts where it is a word of its own.
 * Behind a reply code of RFC 2228 that carries security data nothing is shown.
 */
size_t secrets_shown(const struct secrets *secrets, const uint8_t *line,
    size_t len);

/* Overwrites them. */
void secrets_forget(struct secrets *secrets);

#endif
