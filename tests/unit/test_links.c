/*
 * Several links to the real sshd: ssh/links.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "sshenv.h"

#define N_LINKS 3
#define IDLE_MS 400

/* The streams are echoed; there is a peer for each. */
#define N_STREAMS 8

struct state {
	struct sshenv env;
	struct links *links;
	struct link *first;
	struct peer peer[N_STREAMS];
	struct near near[N_STREAMS];
	size_t n;
};

static int
set_up_idle(void **state, uint64_t idle_ms)
{
	struct state *s = calloc(1, sizeof(*s));

	sshenv_start(&s->env, "");
	s->links = sshenv_links_up(&s->env, N_LINKS, idle_ms);
	s->first = links_first(s->links);
	*state = s;
	return 0;
}

/* On a slow machine one that is needed later must not end before. */
static int
set_up(void **state)
{
	return set_up_idle(state, LIMIT_LINK_IDLE_MS);
}

static int
set_up_soon_idle(void **state)
{
	return set_up_idle(state, IDLE_MS);
}

/* Is there a private directory of a further link? */
static bool
has_directory(const struct state *s)
{
	char path[128];
	bool found = false;

	for (int i = 2; i <= N_LINKS; i++) {
		snprintf(path, sizeof(path), "%s/%d", s->env.directory, i);
		found |= access(path, F_OK) == 0;
	}
	return found;
}

static void
close_streams(struct state *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->near[i].stream != NULL)
			near_close(&s->near[i]);
		peer_end(&s->peer[i]);
	}
	s->n = 0;
}

static int
tear_down(void **state)
{
	struct state *s = *state;

	close_streams(s);
	sshenv_links_end(&s->env, s->links);
	assert_false(has_directory(s));
	sshenv_end(&s->env);
	free(s);
	return 0;
}

/* ---- helpers ---- */

static size_t
count_ssh(const struct state *s)
{
	pid_t pids[LIMIT_LINKS];

	return sshenv_all_ssh(&s->env, pids, LIMIT_LINKS);
}

/* Begins one more data connection and returns the link it has. */
static struct link *
begin(struct state *s)
{
	struct link *link = links_choose(s->links);
	size_t i = s->n++;

	assert_true(i < N_STREAMS);
	assert_non_null(link);
	peer_start(&s->peer[i], &s->env, PEER_ECHO, 0);
	near_dial_on(&s->near[i], &s->env, link, s->peer[i].port);
	return link;
}

/* Does that one carry bytes, to and fro? */
static void
check_lives(struct state *s, size_t i)
{
	size_t more = s->near[i].received + 1000;

	near_send(&s->near[i], 1000, false);
	sshenv_until_size(&s->env, &s->near[i].received, more);
}

static void
until_up(struct state *s, size_t n)
{
	for (int i = 0; links_further_up(s->links) != n && i < 60000; i++)
		sshenv_for(&s->env, 1);
	assert_int_equal(links_further_up(s->links), n);
}

/* The link has taken note of the end of its ssh. */
static void
until_no_directory(struct state *s)
{
	for (int i = 0; has_directory(s) && i < 60000; i++)
		sshenv_for(&s->env, 1);
	assert_false(has_directory(s));
}

static void
until_count(struct state *s, size_t n)
{
	for (int i = 0; count_ssh(s) != n && i < 60000; i++)
		sshenv_for(&s->env, 1);
	assert_int_equal(count_ssh(s), n);
}

/* Two data connections, and a second link.  Returns that. */
static struct link *
open_second(struct state *s)
{
	struct link *second;

	assert_ptr_equal(begin(s), s->first);
	assert_ptr_equal(begin(s), s->first);
	until_up(s, 1);
	second = begin(s);
	assert_ptr_not_equal(second, s->first);
	return second;
}

/* ---- tests ---- */

/* One at a time is carried by the first. */
static void
test_alone(void **state)
{
	struct state *s = *state;

	for (int i = 0; i < 5; i++) {
		assert_ptr_equal(begin(s), s->first);
		assert_int_equal(links_load(s->links, s->first), 1);
		check_lives(s, 0);
		close_streams(s);
		assert_int_equal(links_load(s->links, s->first), 0);
	}
	assert_int_equal(count_ssh(s), 1);
}

static void
test_demand(void **state)
{
	struct state *s = *state;
	struct link *second, *third;

	assert_ptr_equal(begin(s), s->first);
	assert_int_equal(count_ssh(s), 1);
	/* It does not wait, and one is opened, and not two. */
	assert_ptr_equal(begin(s), s->first);
	assert_ptr_equal(begin(s), s->first);
	until_count(s, 2);
	sshenv_for(&s->env, 1);
	assert_true(count_ssh(s) == 2 || links_further_up(s->links) == 1);
	/* Three data connections, two links: one more, by itself. */
	until_up(s, 2);
	second = begin(s);
	third = begin(s);
	assert_ptr_not_equal(second, s->first);
	assert_ptr_not_equal(third, s->first);
	assert_ptr_not_equal(third, second);
	assert_int_equal(links_load(s->links, s->first), 3);
	assert_ptr_equal(begin(s), second);
	assert_ptr_equal(begin(s), third);
	for (size_t i = 0; i < s->n; i++)
		check_lives(s, i);
	/* No more than there may be. */
	begin(s);
	assert_int_equal(count_ssh(s), N_LINKS);
	/* One that has ended makes room. */
	near_close(&s->near[3]);
	near_close(&s->near[5]);
	assert_int_equal(links_load(s->links, second), 1);
	assert_ptr_equal(links_choose(s->links), second);
}

static void
test_hold(void **state)
{
	struct state *s = *state;
	struct link *second;

	/* Those that come by forwards count as well. */
	links_hold(s->links, links_choose(s->links));
	assert_int_equal(links_load(s->links, s->first), 1);
	links_hold(s->links, links_choose(s->links));
	until_up(s, 1);
	second = links_choose(s->links);
	assert_ptr_not_equal(second, s->first);
	links_hold(s->links, second);
	links_release(s->links, s->first);
	links_release(s->links, s->first);
	assert_ptr_equal(links_choose(s->links), s->first);
	/* Where both are idle, control is left alone. */
	links_release(s->links, second);
	assert_ptr_equal(links_choose(s->links), second);
	assert_int_equal(count_ssh(s), 2);
}

static void
test_killed(void **state)
{
	struct state *s = *state;

	open_second(s);
	check_lives(s, 2);
	kill(sshenv_ssh(&s->env), SIGKILL);
	sshenv_until(&s->env, &s->near[2].closed);
	assert_int_equal(s->near[2].err, -ECONNRESET);
	assert_int_equal(s->near[2].eof, 0);
	assert_ptr_equal(links_choose(s->links), s->first);
	until_count(s, 1);
	until_no_directory(s);
	assert_int_equal(s->env.down, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(s->near[i].ended, 0);
		check_lives(s, i);
	}
	/* Not at once, but then there is another one. */
	assert_ptr_equal(begin(s), s->first);
	assert_int_equal(count_ssh(s), 1);
	sshenv_for(&s->env, 4 * SSHENV_PAUSE_MS);
	assert_ptr_equal(begin(s), s->first);
	until_up(s, 2);
	assert_ptr_not_equal(begin(s), s->first);
	check_lives(s, s->n - 1);
}

/* ssh lives, but is no use: nothing new is put on it. */
static void
test_hangs(void **state)
{
	struct state *s = *state;
	struct link *second = open_second(s);
	pid_t pid = sshenv_ssh(&s->env);

	kill(pid, SIGSTOP);
	link_stop(second);
	assert_ptr_equal(links_choose(s->links), s->first);
	sshenv_until(&s->env, &s->near[2].closed);
	assert_int_equal(count_ssh(s), 2);
	kill(pid, SIGCONT);
	until_count(s, 1);
	check_lives(s, 0);
}

static void
move_key(const struct state *s, const char *from, const char *to)
{
	char old[128], new[128];

	snprintf(old, sizeof(old), "%s/%s", s->env.directory, from);
	snprintf(new, sizeof(new), "%s/%s", s->env.directory, to);
	assert_int_equal(rename(old, new), 0);
}

static size_t
occurrences(const char *text, const char *words)
{
	size_t n = 0;

	while ((text = strstr(text, words)) != NULL) {
		text++;
		n++;
	}
	return n;
}

/* A login that cannot be had again: said once, and not tried all the time. */
static void
test_refused(void **state)
{
	struct state *s = *state;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	unsigned int tries = 0;
	uint64_t start, waited;
	char text[4096];
	size_t n;

	dup2(fileno(file), STDERR_FILENO);
	begin(s);
	begin(s);
	begin(s);
	move_key(s, "key.pub", "away");
	start = uv_now(&s->env.loop);
	for (int i = 0; tries < 3 && i < 60000; i++) {
		bool before = has_directory(s);

		assert_ptr_equal(links_choose(s->links), s->first);
		tries += has_directory(s) && !before;
		sshenv_for(&s->env, 1);
	}
	waited = uv_now(&s->env.loop) - start;
	until_count(s, 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_int_equal(occurrences(text, "cannot open another"), 1);
	assert_int_equal(occurrences(text, "Permission denied"), 1);
	assert_non_null(strstr(text, "with a key or"));
	/* One was under way already; and then after 1, 3 and 7 pauses. */
	assert_int_equal(tries, 3);
	assert_true(waited >= 7 * SSHENV_PAUSE_MS);
	assert_int_equal(links_further_up(s->links), 0);
	check_lives(s, 0);

	move_key(s, "away", "key.pub");
	for (int i = 0; links_further_up(s->links) == 0 && i < 60000; i++) {
		links_choose(s->links);
		sshenv_for(&s->env, 1);
	}
	assert_ptr_not_equal(links_choose(s->links), s->first);
}

/* It has no terminal to ask on, nor a window; the first may have both. */
static void
test_apart(void **state)
{
	static const char words[] = "SSH_ASKPASS_REQUIRE=never";
	struct state *s = *state;
	pid_t pids[LIMIT_LINKS];
	char path[64], text[32768];

	unsetenv("SSH_ASKPASS_REQUIRE");
	open_second(s);
	assert_int_equal(sshenv_all_ssh(&s->env, pids, LIMIT_LINKS), 2);
	assert_int_equal(getsid(pids[0]), getsid(0));
	assert_int_equal(getsid(pids[1]), pids[1]);
	for (size_t i = 0; i < 2; i++) {
		FILE *file;
		size_t n;

		snprintf(path, sizeof(path), "/proc/%d/environ", (int)pids[i]);
		file = fopen(path, "r");
		assert_non_null(file);
		n = fread(text, 1, sizeof(text), file);
		fclose(file);
		assert_int_equal(memmem(text, n, words, sizeof(words)) != NULL,
		    i == 1);
	}
}

/* Before the stop a further one may end without a word; and none is opened. */
static void
test_expect_stop(void **state)
{
	struct state *s = *state;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);

	open_second(s);
	links_expect_stop(s->links);
	dup2(fileno(file), STDERR_FILENO);
	kill(sshenv_ssh(&s->env), SIGKILL);
	sshenv_until(&s->env, &s->near[2].closed);
	until_count(s, 1);
	sshenv_for(&s->env, 2 * SSHENV_PAUSE_MS);
	assert_ptr_equal(begin(s), s->first);
	sshenv_for(&s->env, 2 * SSHENV_PAUSE_MS);
	dup2(saved, STDERR_FILENO);
	close(saved);
	fseek(file, 0, SEEK_END);
	assert_int_equal(ftell(file), 0);
	fclose(file);
	assert_int_equal(count_ssh(s), 1);
	check_lives(s, 0);
}

static void
test_idle(void **state)
{
	struct state *s = *state;

	open_second(s);
	near_close(&s->near[0]);
	near_close(&s->near[1]);
	/* As long as it carries something it stays. */
	sshenv_for(&s->env, 3 * IDLE_MS);
	assert_int_equal(count_ssh(s), 2);
	check_lives(s, 2);
	near_close(&s->near[2]);
	sshenv_for(&s->env, IDLE_MS / 4);
	assert_int_equal(count_ssh(s), 2);
	until_count(s, 1);
	until_no_directory(s);
	/* And comes again without a pause. */
	assert_ptr_equal(begin(s), s->first);
	assert_ptr_equal(begin(s), s->first);
	until_up(s, 1);
}

/* At each moment of the start, more or less. */
static void
test_stop_early(void **state)
{
	struct state *s;

	tear_down(state);
	for (unsigned int ms = 0; ms < 200; ms += 25) {
		set_up(state);
		s = *state;
		begin(s);
		begin(s);
		if (ms > 0)
			sshenv_for(&s->env, ms);
		close_streams(s);
		tear_down(state);
	}
	set_up(state);
}

/* The end of the first is the end of all. */
static void
test_first_killed(void **state)
{
	struct state *s = *state;
	pid_t pids[LIMIT_LINKS];

	open_second(s);
	sshenv_all_ssh(&s->env, pids, LIMIT_LINKS);
	kill(pids[0], SIGKILL);
	sshenv_until(&s->env, &s->env.down);
	assert_non_null(strstr(s->env.why, "signal 9"));
	sshenv_until(&s->env, &s->near[2].closed);
	assert_null(links_choose(s->links));
	until_count(s, 0);
	assert_int_equal(s->env.down, 1);
}

/* The first link is used for all. */
static void
test_no_directory_for_a_further_link(void **state)
{
	struct state *s = *state;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	char away[80], text[4096];

	begin(s);
	snprintf(away, sizeof(away), "%s-away", s->env.directory);
	assert_int_equal(rename(s->env.directory, away), 0);
	dup2(fileno(file), STDERR_FILENO);
	begin(s);
	for (size_t i = 0; i < 3; i++) {
		sshenv_for(&s->env, 2 * SSHENV_PAUSE_MS);
		assert_ptr_equal(links_choose(s->links), s->first);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(rename(away, s->env.directory), 0);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_int_equal(occurrences(text, "cannot open another"), 1);
	assert_int_equal(occurrences(text, "): No such file or directory"), 1);
	assert_int_equal(count_ssh(s), 1);
	check_lives(s, 0);
	check_lives(s, 1);
}

static void
test_over_when_all_have_ended(void **state)
{
	struct state *s = *state;

	begin(s);
	begin(s);
	until_count(s, 2);
	assert_false(links_are_over(s->links));
	links_stop(s->links);
	assert_false(links_are_over(s->links));
	while (monitor_running(s->env.monitor) > 0)
		sshenv_for(&s->env, 1);
	assert_true(links_are_over(s->links));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_alone),
		TEST(test_demand),
		TEST(test_hold),
		TEST(test_killed),
		TEST(test_hangs),
		TEST(test_refused),
		cmocka_unit_test_setup_teardown(test_idle, set_up_soon_idle,
		    tear_down),
		TEST(test_apart),
		TEST(test_expect_stop),
		TEST(test_stop_early),
		TEST(test_first_killed),
		TEST(test_no_directory_for_a_further_link),
		TEST(test_over_when_all_have_ended),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
