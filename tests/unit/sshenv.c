/*
 * A real sshd, a link to it, and forwards.
 */
#include "sshenv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "monitor_life.h"

#define SSHD_PROGRAM "/usr/sbin/sshd"
#define WATCHDOG_MS 60000

/* ---- sshd ---- */

static void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* A connection through it is left in TIME_WAIT, so that the kernel gives it to
 * nobody who does not name it. */
int
sshenv_free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, server;
	char byte;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len),
	    0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sin, len), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	close(server); /* first, so it is this end that waits */
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
	close(listener);
	return ntohs(sin.sin_port);
}

static void
write_config(struct sshenv *env, const char *config)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sshd_config", env->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file,
	    "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\n"
	    "AuthorizedKeysFile %s/key.pub\nPermitRootLogin yes\n"
	    "StrictModes no\nUsePAM no\nPidFile none\nMaxStartups 100\n"
	    "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
	    "KexAlgorithms curve25519-sha256\n%s\n",
	    env->port, env->directory, env->directory, config);
	fclose(file);
}

/* Waits until sshd says that it listens; false: somebody has its port. */
static bool
wait_for_sshd(struct sshenv *env)
{
	char words[4096];
	size_t len = 0;

	while (len < sizeof(words) - 1) {
		ssize_t n =
		    read(env->sshd_words, words + len, sizeof(words) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		words[len] = '\0';
		if (strstr(words, "Server listening") != NULL)
			return true;
	}
	words[len] = '\0';
	if (strstr(words, "Address already in use") == NULL)
		fail_msg("sshd: %s", words);
	return false;
}

/* As wait_for_sshd(). */
static bool
start_sshd(struct sshenv *env, const char *config)
{
	char config_path[128];
	int fds[2];

	env->port = sshenv_free_port();
	write_config(env, config);
	snprintf(config_path, sizeof(config_path), "%s/sshd_config",
	    env->directory);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	env->sshd = fork();
	if (env->sshd == 0) {
		/* Not to outlive a test that a timeout has killed. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fds[1], STDERR_FILENO);
		execl(SSHD_PROGRAM, SSHD_PROGRAM, "-D", "-e", "-f", config_path,
		    (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	env->sshd_words = fds[0];
	/* What it says later fits into the pipe. */
	fcntl(fds[0], F_SETPIPE_SZ, 1024 * 1024);
	if (wait_for_sshd(env))
		return true;
	close(env->sshd_words);
	waitpid(env->sshd, NULL, 0);
	return false;
}

void
sshenv_start(struct sshenv *env, const char *config)
{
	memset(env, 0, sizeof(*env));
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&env->loop);
	uv_timer_init(&env->loop, &env->watchdog);
	strcpy(env->directory, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->directory));
	mkdir("/run/sshd", 0755);
	for (const char *const *name =
		 (const char *const[]) { "host", "key", "other", NULL };
	     *name != NULL; name++)
		run("ssh-keygen -q -t ed25519 -N '' -f %s/%s", env->directory,
		    *name);
	while (!start_sshd(env, config))
		continue;
}

/* ---- the monitor ---- */

static void
on_monitor_lost(void *ctx)
{
	struct sshenv *env = ctx;

	env->monitor_lost++;
}

void
sshenv_monitor(struct sshenv *env)
{
	monitor_life_renew(&env->monitor, &env->loop, &env->options,
	    on_monitor_lost, env);
}

/* ---- the end ---- */

static void
fail_handle(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	fail_msg("left in the loop: %s", uv_handle_type_name(handle->type));
}

void
sshenv_end(struct sshenv *env)
{
	bool left;

	if (env->link != NULL) {
		link_stop(env->link);
		sshenv_until(env, &env->down);
		link_free(env->link);
	}
	monitor_life_end(&env->monitor, &env->loop);
	uv_timer_stop(&env->watchdog);
	uv_close((uv_handle_t *)&env->watchdog, NULL);
	for (size_t i = 0; i < 100; i++)
		uv_run(&env->loop, UV_RUN_NOWAIT);
	left = uv_loop_close(&env->loop) != 0;
	kill(env->sshd, SIGTERM);
	waitpid(env->sshd, NULL, 0);
	close(env->sshd_words);
	run("rm -r %s", env->directory);
	if (left)
		uv_walk(&env->loop, fail_handle, NULL);
}

int
sshenv_tear_down(void **state)
{
	sshenv_end(*state);
	free(*state);
	return 0;
}

/* ---- the link ---- */

static void
on_up(void *ctx)
{
	struct sshenv *env = ctx;

	env->up++;
}

static void
on_down(void *ctx, bool was_up, const char *why)
{
	struct sshenv *env = ctx;

	env->down++;
	env->was_up = was_up;
	env->closed_at_down = env->closed;
	snprintf(env->why, sizeof(env->why), "%s", why);
}

static const struct link_handler link_handler = { on_up, on_down };

void
sshenv_options(struct sshenv *env)
{
	size_t n = 0;

	snprintf(env->arguments[0], 128, "-p%d", env->port);
	snprintf(env->arguments[1], 128, "-i%s/key", env->directory);
	env->argument_list[n++] = "-Fnone";
	env->argument_list[n++] = env->arguments[0];
	env->argument_list[n++] = env->arguments[1];
	env->argument_list[n++] = "-oStrictHostKeyChecking=no";
	env->argument_list[n++] = "-oUserKnownHostsFile=/dev/null";
	env->argument_list[n++] = "-oIdentitiesOnly=yes";
	/* These must not hurt. */
	env->argument_list[n++] = "-oControlMaster=no";
	env->argument_list[n++] = "-oControlPath=none";
	env->argument_list[n++] = "-oControlPersist=yes";
	env->options.arguments = env->argument_list;
	env->options.n_arguments = n;
	if (env->options.program == NULL)
		env->options.program = "ssh";
	snprintf(env->arguments[2], 128, "%s@127.0.0.1",
	    getpwuid(getuid())->pw_name);
	env->options.destination = env->arguments[2];
	env->options.directory = env->directory;
	env->options.batch = true;
	window_budget_init(&env->budget, LIMIT_MEMORY, LIMIT_WINDOW_MAX);
	env->options.budget = &env->budget;
}

void
sshenv_link(struct sshenv *env)
{
	sshenv_options(env);
	sshenv_monitor(env);
	env->link = link_new(&env->loop, &env->options, &link_handler, env);
	assert_non_null(env->link);
	assert_int_equal(link_start(env->link, env->keep_session), 0);
}

struct links *
sshenv_links_up(struct sshenv *env, size_t max, uint64_t idle_ms)
{
	struct links_options options = {
		.link = &env->options,
		.max = max,
		.idle_ms = idle_ms,
		.pause_ms = SSHENV_PAUSE_MS,
	};
	struct links *links;

	sshenv_options(env);
	sshenv_monitor(env);
	links = links_new(&env->loop, &options, &link_handler, env);
	assert_non_null(links);
	assert_int_equal(links_start(links, false), 0);
	sshenv_until(env, &env->up);
	assert_int_equal(env->down, 0);
	return links;
}

void
sshenv_links_end(struct sshenv *env, struct links *links)
{
	links_stop(links);
	while (monitor_running(env->monitor) > 0)
		sshenv_for(env, 1);
	sshenv_until(env, &env->down);
	links_free(links);
}

void
sshenv_link_up(struct sshenv *env)
{
	sshenv_link(env);
	sshenv_until(env, &env->up);
	assert_int_equal(env->down, 0);
}

struct wait {
	uint64_t end; /* of uv_now() */
	bool late;
};

static void
on_tick(uv_timer_t *timer)
{
	struct wait *wait = timer->data;

	wait->late = uv_now(timer->loop) >= wait->end;
}

/* It ticks, since uv_run(UV_RUN_ONCE) calls timers before it waits: one of them
 * may have been what is waited for. */
static void
begin_wait(struct sshenv *env, struct wait *wait, unsigned int ms)
{
	uint64_t tick = ms < 10 ? ms : 10;

	uv_update_time(&env->loop);
	*wait = (struct wait) { .end = uv_now(&env->loop) + ms };
	env->watchdog.data = wait;
	uv_timer_start(&env->watchdog, on_tick, tick, tick);
}

void
sshenv_until_size(struct sshenv *env, const size_t *counter, size_t value)
{
	struct wait wait;

	begin_wait(env, &wait, WATCHDOG_MS);
	while (*counter < value && !wait.late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
	if (wait.late)
		fail_msg("%zu of %zu after %d ms; link: %s", *counter, value,
		    WATCHDOG_MS, env->why);
}

void
sshenv_until(struct sshenv *env, const unsigned int *flag)
{
	struct wait wait;

	begin_wait(env, &wait, WATCHDOG_MS);
	while (*flag == 0 && !wait.late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
	if (wait.late)
		fail_msg("nothing after %d ms; link: %s", WATCHDOG_MS,
		    env->why);
}

void
sshenv_for(struct sshenv *env, unsigned int ms)
{
	struct wait wait;

	begin_wait(env, &wait, ms);
	while (!wait.late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
}

size_t
sshenv_all_ssh(const struct sshenv *env, pid_t *pids, size_t max)
{
	char path[64], text[256] = "";
	pid_t monitor;
	FILE *file;
	long pid;
	size_t n = 0;

	if (env->monitor == NULL)
		return 0;
	monitor = monitor_pid(env->monitor);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)monitor,
	    (int)monitor);
	file = fopen(path, "r");
	assert_non_null(file);
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	fclose(file);
	for (char *at = text; (pid = strtol(at, &at, 10)) > 0;) {
		if (n < max)
			pids[n++] = (pid_t)pid;
	}
	return n;
}

pid_t
sshenv_ssh(const struct sshenv *env)
{
	pid_t pids[LIMIT_LINKS];
	size_t n = sshenv_all_ssh(env, pids, LIMIT_LINKS);

	assert_true(n > 0);
	return pids[n - 1];
}

/* ---- forwards ---- */

static void
on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct forward *forward = ctx;

	forward->done++;
	forward->port = port;
	forward->err = err;
	snprintf(forward->why, sizeof(forward->why), "%s", why);
	if (forward->close_in_done)
		forward_close(forward);
}

void
forward_open(struct forward *forward, struct sshenv *env, const char *host,
    uint16_t port, const char *name)
{
	char path[128];

	memset(forward, 0, sizeof(*forward));
	snprintf(path, sizeof(path), "%s/%s", env->directory, name);
	forward->forward =
	    link_forward_open(env->link, host, port, path, on_forward, forward);
	assert_non_null(forward->forward);
	assert_int_equal(forward->done, 0);
}

void
forward_close(struct forward *forward)
{
	link_forward_close(forward->forward);
	forward->forward = NULL;
}

int
sshenv_connect(const char *host, uint16_t port)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	int fd, err;

	if (uv_ip4_addr(host, port, &sin) == 0) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		err = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	} else {
		assert_int_equal(uv_ip6_addr(host, port, &sin6), 0);
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		err = connect(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	}
	if (err == 0)
		return fd;
	close(fd);
	return -1;
}

void
sshenv_stop_early(struct sshenv *env, unsigned int step_ms)
{
	for (unsigned int ms = 0; ms < 200; ms += step_ms) {
		sshenv_link(env);
		if (ms > 0)
			sshenv_for(env, ms);
		link_stop(env->link);
		sshenv_until(env, &env->down);
		assert_int_equal(env->was_up, env->up);
		link_free(env->link);
		env->link = NULL;
		env->up = env->down = 0;
	}
}
