/*
 * The login files that tunnels name (gateway/login_file.h), by path.  A process
 * that is confined cannot open them.  So culvert reads them before it is
 * confined; at a reload, the monitor reads them and passes them on as bytes.
 *
 * A file must belong to root, to the user of this process or to that of --user,
 * and nobody else may write to it.
 */
#ifndef PROCESS_LOGINS_H
#define PROCESS_LOGINS_H

#include <stddef.h>

#include "conf/config.h"
#include "gateway/login_file.h"

struct logins_entry {
	char *path;
	struct login_file *file;
};

/* Zeroed: none. */
struct logins {
	struct logins_entry *list;
	size_t n;
};

/*
 * Reads the files of the n tunnels; of those that line names, unless it is
 * NULL.  Returns heap memory for logins_parse(), which the caller frees, and
 * its length; or NULL with a message in why.
 */
char *logins_gather(const struct config_tunnel *tunnels, size_t n,
    const struct command_line *line, size_t *ret_len,
    char why[SETTINGS_WHY_MAX]);

/* Makes *ret from these bytes.  Returns 0, -ENOMEM or -EINVAL.  The caller
 * calls logins_free() in any case. */
int logins_parse(const char *bytes, size_t len, struct logins *ret);

/* Does both.  Returns 0, or a negative errno with a message in why. */
int logins_read(const struct config_tunnel *tunnels, size_t n,
    const struct command_line *line, struct logins *ret,
    char why[SETTINGS_WHY_MAX]);

/* The file that was read from that path; it must be there. */
struct login_file *logins_find(const struct logins *logins, const char *path);

void logins_free(struct logins *logins);

#endif
