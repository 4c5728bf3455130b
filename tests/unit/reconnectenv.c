/*
 * For the tests of ssh/reconnect.
 */
#include "reconnectenv.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"

#define PORT_ARGUMENT_MAX 16

static void
on_up(void *ctx)
{
	struct rec_env *s = ctx;

	s->up++;
}

static void
on_down(void *ctx, const char *why, bool again)
{
	struct rec_env *s = ctx;

	s->down++;
	s->again = again;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void
on_ended(void *ctx, bool was_up, const char *why)
{
	struct rec_env *s = ctx;

	assert_int_equal(s->ended, 0);
	s->ended++;
	s->was_up = was_up;
	s->has_why = why != NULL;
	snprintf(s->why, sizeof(s->why), "%s", why != NULL ? why : "");
}

void
rec_go_to(struct rec_env *s, int port)
{
	snprintf(s->port_argument, PORT_ARGUMENT_MAX, "-p%d", port);
}

int
rec_set_up(void **state)
{
	return rec_set_up_with(state, "");
}

int
rec_set_up_with(void **state, const char *config)
{
	struct rec_env *s = calloc(1, sizeof(*s));

	sshenv_start(&s->env, config);
	sshenv_options(&s->env);
	/* The monitor is to see what rec_go_to() changes. */
	s->port_argument = mmap(NULL, PORT_ARGUMENT_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->port_argument, MAP_FAILED);
	for (size_t i = 0; i < s->env.options.n_arguments; i++)
		if (s->env.argument_list[i] == s->env.arguments[0])
			s->env.argument_list[i] = s->port_argument;
	rec_go_to(s, s->env.port);
	s->log = tmpfile();
	s->stderr_fd = dup(STDERR_FILENO);
	dup2(fileno(s->log), STDERR_FILENO);
	*state = s;
	return 0;
}

int
rec_tear_down(void **state)
{
	struct rec_env *s = *state;
	pid_t pid;

	dup2(s->stderr_fd, STDERR_FILENO);
	close(s->stderr_fd);
	fclose(s->log);
	reconnect_stop(s->reconnect);
	sshenv_until(&s->env, &s->ended);
	assert_int_equal(sshenv_all_ssh(&s->env, &pid, 1), 0);
	assert_false(reconnect_is_up(s->reconnect));
	/* And is not the start of anything. */
	reconnect_stop(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(sshenv_all_ssh(&s->env, &pid, 1), 0);
	reconnect_free(s->reconnect);
	if (s->bad_port != 0)
		uv_close((uv_handle_t *)&s->bad, NULL);
	sshenv_end(&s->env);
	munmap(s->port_argument, PORT_ARGUMENT_MAX);
	free(s);
	return 0;
}

void
rec_make(struct rec_env *s, const struct reconnect_options *given)
{
	static const struct reconnect_handler handler = {
		.up = on_up,
		.down = on_down,
		.ended = on_ended,
	};
	const struct links_options links = {
		.link = &s->env.options,
		.max = 1,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	struct reconnect_options options = *given;

	options.pause_ms = PAUSE_MS;
	options.pause_max_ms = LIMIT_RECONNECT_PAUSE_MAX_MS;
	sshenv_monitor(&s->env);
	s->reconnect =
	    reconnect_new(&s->env.loop, &links, &options, &handler, s);
	assert_non_null(s->reconnect);
}

void
rec_start(struct rec_env *s, const struct reconnect_options *options)
{
	rec_make(s, options);
	assert_int_equal(reconnect_start(s->reconnect), 0);
}

void
rec_start_up(struct rec_env *s, const struct reconnect_options *options)
{
	rec_start(s, options);
	rec_until(s, &s->up, 1);
}

void
rec_start_held(struct rec_env *s, const struct reconnect_options *options)
{
	rec_start(s, options);
	reconnect_hold(s->reconnect);
	rec_until(s, &s->up, 1);
}

void
rec_until(struct rec_env *s, const unsigned int *counter, unsigned int value)
{
	for (int i = 0; *counter < value && i < 30000; i++)
		sshenv_for(&s->env, 1);
	assert_int_equal(*counter, value);
}

static void
on_attempt(uv_stream_t *server, int status)
{
	struct rec_env *s = server->data;
	uv_tcp_t *one = malloc(sizeof(*one));

	assert_int_equal(status, 0);
	uv_tcp_init(&s->env.loop, one);
	assert_int_equal(uv_accept(server, (uv_stream_t *)one), 0);
	uv_close((uv_handle_t *)one, (uv_close_cb)(void (*)(void))free);
	s->attempts++;
}

const size_t *
rec_go_astray(struct rec_env *s)
{
	struct sockaddr_in address;

	s->bad_port = sshenv_free_port();
	uv_tcp_init(&s->env.loop, &s->bad);
	s->bad.data = s;
	uv_ip4_addr("127.0.0.1", s->bad_port, &address);
	assert_int_equal(uv_tcp_bind(&s->bad, (struct sockaddr *)&address, 0),
	    0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->bad, 8, on_attempt), 0);
	rec_go_to(s, s->bad_port);
	return &s->attempts;
}

void
rec_lose(struct rec_env *s)
{
	kill(sshenv_ssh(&s->env), SIGKILL);
}

void
rec_lose_sshd(struct rec_env *s)
{
	pid_t sshd = s->env.sshd;
	char path[64];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)sshd,
	    (int)sshd);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	fclose(file);
}

size_t
rec_count_ssh(const struct rec_env *s)
{
	pid_t pid;

	return sshenv_all_ssh(&s->env, &pid, 1);
}

size_t
rec_logged(struct rec_env *s, const char *words)
{
	char text[16384];
	size_t n, found = 0;

	rewind(s->log);
	n = fread(text, 1, sizeof(text) - 1, s->log);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		found++;
	fseek(s->log, 0, SEEK_END);
	return found;
}
