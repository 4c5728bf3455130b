/*
 * The /etc/hosts of a command.
 */
#include "capture/exec_hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define HOSTS_PATH "/etc/hosts"

/* nscd(8), and nss-resolve(8) of systemd. */
static const char *const services[] = {
	"/run/nscd/socket",
	"/var/run/nscd/socket",
	"/run/systemd/resolve/io.systemd.Resolve",
};

/* ---- the file ---- */

static bool
is_mapped(const struct exec_plan *plan, const char *word, size_t len)
{
	for (size_t i = 0; i < plan->n_maps; i++)
		if (strlen(plan->maps[i].name) == len &&
		    strncasecmp(plan->maps[i].name, word, len) == 0)
			return true;
	return false;
}

/* Copies a line of /etc/hosts without the names that are mapped; nothing, if no
 * name is left. */
static void
copy_line(const struct exec_plan *plan, const char *line, FILE *to)
{
	static const char blanks[] = " \t\r\n";
	const char *address = line + strspn(line, blanks), *word;
	size_t address_len = strcspn(address, " \t\r\n#"), len;
	bool begun = false;

	word = address + address_len;
	for (;;) {
		word += strspn(word, blanks);
		len = strcspn(word, " \t\r\n#");
		if (len == 0)
			break;
		if (!is_mapped(plan, word, len)) {
			if (!begun)
				fprintf(to, "%.*s", (int)address_len, address);
			fprintf(to, " %.*s", (int)len, word);
			begun = true;
		}
		word += len;
	}
	if (begun)
		fputc('\n', to);
}

int
exec_hosts_make(const struct exec_plan *plan)
{
	CLEANUP(cleanup_fd)
	int fd = memfd_create("culvert-exec-hosts", MFD_CLOEXEC);
	FILE *to = fd < 0 ? NULL : fdopen(dup(fd), "w"), *from;
	char text[ADDR_TEXT_MAX], line[4096];
	struct addr at;
	int err;

	if (to == NULL)
		return -errno;
	for (size_t i = 0; i < plan->n_maps; i++) {
		at = exec_map_address(i);
		fprintf(to, "%s %s\n", addr_format_ip(&at, text),
		    plan->maps[i].name);
	}
	from = fopen(HOSTS_PATH, "re");
	while (from != NULL && fgets(line, sizeof(line), from) != NULL)
		copy_line(plan, line, to);
	if (from != NULL)
		fclose(from);
	err = ferror(to) != 0 ? -EIO : 0;
	if (fclose(to) != 0 && err == 0)
		err = -errno;
	return err != 0 ? err : steal_fd(&fd);
}

/* ---- who opens it ---- */

struct opening {
	uint64_t path; /* an address in the caller's memory */
	uint64_t flags;
};

static bool
read_opening(const struct tracee *tracee, struct opening *ret)
{
	const __u64 *args = tracee->call.data.args;
	struct open_how how;

	switch (tracee->call.data.nr) {
#ifdef SYS_open
	case SYS_open:
		*ret = (struct opening) { args[0], args[1] };
		return true;
#endif
	case SYS_openat:
		*ret = (struct opening) { args[1], args[2] };
		return true;
	case SYS_openat2:
		if (tracee_read(tracee, args[2], &how, sizeof(how)) != 0)
			return false;
		*ret = (struct opening) { args[1], how.flags };
		return true;
	default:
		return false;
	}
}

void
exec_hosts_open(const struct tracee *tracee, int hosts)
{
	char path[sizeof(HOSTS_PATH)], again[32];
	struct opening opening;
	CLEANUP(cleanup_fd) int fd = -1;

	/* A shorter path may end where its memory ends: then this fails. */
	if (read_opening(tracee, &opening) &&
	    (opening.flags & (O_ACCMODE | O_PATH | O_CREAT)) == O_RDONLY &&
	    tracee_read(tracee, opening.path, path, sizeof(path)) == 0 &&
	    memcmp(path, HOSTS_PATH, sizeof(path)) == 0) {
		/* Opened again, so that each reader begins at the start. */
		snprintf(again, sizeof(again), "/proc/self/fd/%d", hosts);
		fd = open(again, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0)
		tracee_return_fd(tracee, fd, (opening.flags & O_CLOEXEC) != 0);
	else
		tracee_continue(tracee);
}

bool
exec_hosts_is_service(const char *path)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcmp(path, services[i]) == 0)
			return true;
	return false;
}
