/*
 * Messages to the service manager.
 */
#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"

/* Connects to "/path", or to the abstract socket "@name".  Returns the
 * descriptor or a negative errno. */
static int
notify_connect_to(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd, err;

	if ((name[0] != '/' && name[0] != '@') || name[1] == '\0')
		return -EINVAL;
	if (len > sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, name, len);
	if (name[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Half of the time-out in milliseconds; 0 if there is none for this process. */
static uint64_t
watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"),
		   *pid = getenv("WATCHDOG_PID");
	uint64_t us = 0, whose = 0;

	if (usec == NULL || num_parse_text(usec, UINT64_MAX, &us) != 0)
		return 0;
	if (pid != NULL &&
	    (num_parse_text(pid, UINT64_MAX, &whose) != 0 ||
		whose != (uint64_t)getpid()))
		return 0;
	return us / 2000;
}

int
notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*notify = (struct notify) { .fd = -1 };
	if (name != NULL)
		notify->fd = notify_connect_to(name);
	if (notify->fd >= 0)
		notify->watchdog_ms = watchdog_ms();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return name == NULL || notify->fd >= 0 ? 0 : notify->fd;
}

void
notify_send(const struct notify *notify, const char *format, ...)
{
	char text[512];
	va_list args;
	int len;

	if (notify->fd < 0)
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0 && (size_t)len < sizeof(text))
		send(notify->fd, text, (size_t)len, MSG_NOSIGNAL);
}

void
notify_reloading(const struct notify *notify)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void
notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}
