/*
 * The settings of an FTP session at its server: the commands that must be sent
 * again after a new login, so that the server is as it was.  They are kept in
 * memory that is never swapped (mlock(2)), because the password is among them.
 *
 * RFC 959 section 4.1, RFC 2228 (PBSZ, PROT), 2389 (OPTS), 2640 (LANG), 7151
 * (HOST).
 */
#ifndef RESUME_SETTINGS_H
#define RESUME_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of a command whose reply was lost with the connection, and what
 * it changes at the server. */
enum setting_kind {
	SETTING_NONE,	 /* it changes nothing: it may be repeated */
	SETTING_KEPT,	 /* it changes the session only: the same */
	SETTING_ACTION,	 /* it changes files: it must not be repeated */
	SETTING_UNKNOWN, /* nobody knows what it changes */
};

/* The kind of a command line of len bytes, with its line end. */
enum setting_kind setting_kind(const uint8_t *line, size_t len);

struct resume_settings;

/* Returns NULL when out of memory, or if no memory can be locked. */
struct resume_settings *resume_settings_new(void);

/* Overwrites and frees them.  NULL is allowed. */
void resume_settings_free(struct resume_settings *settings);

/*
 * The server has answered a command with the final reply code.  Takes the
 * command, if a new session needs it, in place of those that it replaces.
 */
void resume_settings_note(struct resume_settings *settings, const uint8_t *line,
    size_t len, unsigned code);

/*
 * False: the session cannot be made again, for good.  *ret_why is the reason,
 * for users: "the server has accepted AUTH".
 */
bool resume_settings_are_complete(const struct resume_settings *settings,
    const char **ret_why);

/* The number of commands, and the one with that index, in the order in which
 * they must be sent.  *ret_code is the reply that it got.  Valid until the next
 * resume_settings_note(). */
size_t resume_settings_count(const struct resume_settings *settings);
const uint8_t *resume_settings_get(const struct resume_settings *settings,
    size_t index, size_t *ret_len, unsigned *ret_code);

/* TYPE, in capitals: 'A' at first; MODE S and STRU F? */
char resume_settings_type(const struct resume_settings *settings);
bool resume_settings_are_plain(const struct resume_settings *settings);

#endif
