/*
 * A configuration file as culvert up has read it.  Destinations and entries
 * borrow options and texts from it, so it is freed with its last user.
 */
#ifndef PROCESS_LOADED_H
#define PROCESS_LOADED_H

#include <stddef.h>

#include "conf/config.h"
#include "process/logins.h"

struct loaded {
	struct config config;
	struct logins logins; /* zeroed at first */
	size_t users;
};

/*
 * Makes a configuration from settings, which it takes over, or from the file
 * that line names.  Adds -q and -v of line.  The caller is its first user and
 * must call loaded_release().  Returns NULL with the reason in why.
 */
struct loaded *loaded_make(const struct command_line *line,
    struct settings *settings, char why[SETTINGS_WHY_MAX]);
struct loaded *loaded_read(const struct command_line *line,
    char why[SETTINGS_WHY_MAX]);

/* loaded_keep() adds a user and returns loaded; loaded_release() removes one,
 * and frees loaded after the last one.  Both allow NULL. */
struct loaded *loaded_keep(struct loaded *loaded);
void loaded_release(struct loaded *loaded);

/* Makes every ssh run without questions, because several would ask on one
 * terminal. */
void loaded_set_batch(struct loaded *loaded);

#endif
