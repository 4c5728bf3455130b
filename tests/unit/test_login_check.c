/*
 * gateway/login_check: passwords, delays, and that the loop goes on meanwhile.
 */
#include <crypt.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "confined.h"
#include "gateway/login_check.h"
#include "hashes.h"
#include "helpers.h"
#include "limits.h"
#include "sockenv.h"

/* ---- crypt(3), watched ---- */

static struct {
	atomic_uint running, most, calls;
	/* The last call. */
	_Atomic(const char *) password;
	char hash[CRYPT_OUTPUT_SIZE];
} seen;

/* While a test holds it, no hash is computed. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

char *__real_crypt_rn(const char *phrase, const char *setting, void *data,
    int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data,
    int size);

char *
__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	unsigned now = ++seen.running, most = seen.most;
	char *hash;

	while (
	    now > most && !atomic_compare_exchange_weak(&seen.most, &most, now))
		;
	if (seen.calls++ == 0)
		strcpy(seen.hash, setting);
	seen.password = phrase;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	hash = __real_crypt_rn(phrase, setting, data, size);
	seen.running--;
	return hash;
}

/* ---- one check ---- */

struct login_bench {
	struct login_checker *checker;
	struct addr client;
	unsigned failures; /* of the session */
};

struct login_note {
	unsigned calls;
	bool in; /* the user may log in */
	bool read_only;
	bool end;
	char directory[32];
	char why[80];
	uint64_t when;
	bool alone; /* no other check is running */
	uv_loop_t *loop;
};

static void
note_login(void *ctx, const struct login_answer *answer)
{
	static const char zeros[CRYPT_MAX_PASSPHRASE_SIZE];
	struct login_note *note = ctx;

	note->calls++;
	note->in = answer->user != NULL;
	note->end = answer->end;
	note->when = uv_now(note->loop);
	/* The check still has its memory. */
	if (note->alone)
		assert_memory_equal(seen.password, zeros, sizeof(zeros));
	if (note->in) {
		note->read_only = answer->user->read_only;
		strncpy(note->directory, answer->user->directory,
		    sizeof(note->directory) - 1);
	} else {
		strncpy(note->why, answer->why, sizeof(note->why) - 1);
	}
}

static struct login_bench
bench_new(struct sockenv *env)
{
	/* A test that has failed may still hold it. */
	pthread_mutex_trylock(&gate);
	pthread_mutex_unlock(&gate);
	seen.running = seen.most = seen.calls = 0;
	return (struct login_bench) {
		.checker = login_checker_new(&env->loop),
		.client = address("192.0.2.1"),
	};
}

/* Takes the reference of file. */
static struct login_check *
begin(struct sockenv *env, struct login_bench *bench, struct login_file *file,
    const char *user, const char *password, struct login_note *note)
{
	const struct login_request request = { file, &bench->client, user,
		password, bench->failures };
	struct login_check *check;

	*note = (struct login_note) { .loop = &env->loop };
	check = login_check_start(bench->checker, &request, note_login, note);
	assert_non_null(check);
	assert_int_equal(note->calls, 0);
	login_file_free(file);
	return check;
}

static struct login_note
log_in(struct sockenv *env, struct login_bench *bench, struct login_file *file,
    const char *user, const char *password)
{
	struct login_note note;

	bench->client.ip[3]++;
	begin(env, bench, login_file_keep(file), user, password, &note);
	note.alone = true;
	SOCKENV_UNTIL(env, note.calls > 0);
	return note;
}

/* A login that fails, and why. */
struct login_case {
	const char *user, *password, *why;
};

/* All at once, each from an address of its own, because each has a delay. */
static void
check_out(struct sockenv *env, struct login_bench *bench,
    struct login_file *file, const struct login_case *cases, size_t n)
{
	struct login_note notes[16];

	assert_true(n <= 16);
	for (size_t i = 0; i < n; i++) {
		bench->client.ip[3]++;
		begin(env, bench, login_file_keep(file), cases[i].user,
		    cases[i].password, &notes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		SOCKENV_UNTIL(env, notes[i].calls > 0);
		assert_false(notes[i].in);
		assert_string_equal(notes[i].why, cases[i].why);
	}
}

static void
test_passwords(void **state)
{
	static const char wrong[] = "the password is wrong";
	static const char off[] = "the login of this user is disabled";
	static const struct login_case cases[] = {
		{ "y", "pass", wrong },
		{ "y", "pass s", wrong },
		{ "y", "", wrong },
		{ "s", "pass", wrong },
		{ "s", "", wrong },
		{ "b", "pass", wrong },
		{ "b", "", wrong },
		{ "off", "pass o", off },
		{ "off", "pass y", off },
		{ "off", "pass s", off },
		{ "off", "pass b", off },
		/* No user has the password of another one. */
		{ "x", "pass y", "there is no such user" },
		{ "x", "pass s", "there is no such user" },
		{ "x", "pass b", "there is no such user" },
		{ "", "", "there is no such user" },
	};
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file =
	    make_login_file("y:%s:/in:read-only\ns:%s\nb:%s\noff:!%s\n",
		make_hash("pass y", YESCRYPT), make_hash("pass s", SHA512),
		make_hash("pass b", BCRYPT), make_hash("pass o", YESCRYPT));
	struct login_note note = log_in(env, &bench, file, "y", "pass y");

	assert_true(note.in && note.read_only && !note.end);
	assert_string_equal(note.directory, "/in");
	note = log_in(env, &bench, file, "s", "pass s");
	assert_true(note.in && !note.read_only);
	assert_string_equal(note.directory, "");
	assert_true(log_in(env, &bench, file, "b", "pass b").in);
	check_out(env, &bench, file, cases, sizeof(cases) / sizeof(cases[0]));
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* As long as crypt(3) takes, and longer: never only the beginning. */
static void
test_long_passwords(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	char password[2 * CRYPT_MAX_PASSPHRASE_SIZE] = "";
	struct login_case cases[3];
	struct login_file *file;

	memset(password, 'p', sizeof(password) - 1);
	for (size_t i = 0; i < 3; i++)
		cases[i] = (struct login_case) { "a", password + i * 255,
			"the password is wrong" };
	cases[2].password =
	    password + sizeof(password) - 1 - CRYPT_MAX_PASSPHRASE_SIZE;
	password[0] = 'q';
	file = make_login_file("a:%s\n",
	    make_hash(cases[2].password + 1, YESCRYPT));
	assert_true(log_in(env, &bench, file, "a", cases[2].password + 1).in);
	check_out(env, &bench, file, cases, 3);
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* A hash whose parameters mean nothing. */
static void
test_broken_hash(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file = make_login_file("a:$y$zzzzzz$salt$"
						  "0123456789012345678901"
						  "234567890123456789012\n");
	const struct login_case one = { "a", "p", "Invalid argument" };

	check_out(env, &bench, file, &one, 1);
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* A name that does not exist, or is disabled, has a hash of the same method. */
static void
test_same_method(void **state)
{
	static const char *const users[] = { "x", "off", "a" };
	struct sockenv *env = *state;
	const char *hashes[] = { make_hash("p", YESCRYPT),
		make_hash("p", SHA512), make_hash("p", BCRYPT) };

	for (size_t i = 0; i < 9; i++) {
		struct login_bench bench = bench_new(env);
		struct login_file *file =
		    make_login_file("off:*\na:%s\n", hashes[i / 3]);
		struct login_check *check;
		struct login_note note;

		check = begin(env, &bench, file, users[i % 3], "q", &note);
		SOCKENV_UNTIL(env, seen.calls > 0);
		login_check_cancel(check);
		SOCKENV_UNTIL(env, seen.running == 0);
		assert_string_equal(seen.hash, hashes[i / 3]);
		login_checker_free(bench.checker);
	}
}

/* Nobody can log in, which takes as long. */
static void
test_empty_file(void **state)
{
	static const struct login_case cases[] = {
		{ "off", "*", "the login of this user is disabled" },
		{ "a", "p", "there is no such user" },
	};
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file = make_login_file("off:*\n");
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	check_out(env, &bench, file, cases, 2);
	assert_int_equal(seen.calls, 2);
	/* It costs what a new hash costs, and crypt(3) takes it. */
	crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting));
	assert_memory_equal(seen.hash, setting, strlen("$y$j9T$"));
	assert_memory_equal(crypt("p", seen.hash), seen.hash,
	    strlen(seen.hash));
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* ---- time ---- */

static void
turn_often(struct sockenv *env)
{
	for (unsigned i = 0; i < 20; i++)
		sockenv_turn(env);
}

/* The loop goes on, and only so many threads are at work. */
static void
test_threads(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file =
	    make_login_file("a:%s\n", make_hash("p", YESCRYPT));
	struct login_note notes[LIMIT_LOGIN_CHECKS + 3];
	const size_t n = sizeof(notes) / sizeof(notes[0]);

	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < n; i++)
		begin(env, &bench, login_file_keep(file), "a", "p", &notes[i]);
	SOCKENV_UNTIL(env, seen.running == LIMIT_LOGIN_CHECKS);
	turn_often(env);
	assert_int_equal(seen.running, LIMIT_LOGIN_CHECKS);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < n; i++) {
		SOCKENV_UNTIL(env, notes[i].calls > 0);
		assert_true(notes[i].in);
	}
	assert_int_equal(seen.most, LIMIT_LOGIN_CHECKS);
	assert_int_equal(seen.calls, n);
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* After a failure, answers to that address come later: those to a right
 * password, too. */
static void
test_delay(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file =
	    make_login_file("a:%s\n", make_hash("p", YESCRYPT));
	struct login_note bad, good, other;
	uint64_t start = uv_now(&env->loop);

	begin(env, &bench, login_file_keep(file), "a", "q", &bad);
	SOCKENV_UNTIL(env, bad.calls > 0);
	assert_false(bad.in);
	assert_true(bad.when - start >= LIMIT_LOGIN_DELAY_MS);
	start = uv_now(&env->loop);
	begin(env, &bench, login_file_keep(file), "a", "p", &good);
	begin(env, &bench, login_file_keep(file), "a", "q", &bad);
	bench.client = address("192.0.2.2");
	begin(env, &bench, login_file_keep(file), "a", "p", &other);
	SOCKENV_UNTIL(env, other.calls > 0);
	assert_int_equal(good.calls, 0);
	assert_int_equal(bad.calls, 0);
	SOCKENV_UNTIL(env, good.calls > 0 && bad.calls > 0);
	assert_true(good.in && other.in && !bad.in);
	assert_true(good.when - start >= LIMIT_LOGIN_DELAY_MS);
	assert_true(bad.when - start >= 2 * LIMIT_LOGIN_DELAY_MS);
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* The last failure that a session may have. */
static void
test_end_of_session(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file =
	    make_login_file("a:%s\n", make_hash("p", YESCRYPT));

	for (; bench.failures < LIMIT_LOGIN_FAILURES; bench.failures++)
		assert_int_equal(log_in(env, &bench, file, "a", "q").end,
		    bench.failures == LIMIT_LOGIN_FAILURES - 1);
	bench.failures--;
	assert_false(log_in(env, &bench, file, "a", "p").end);
	login_file_free(file);
	login_checker_free(bench.checker);
}

/* ---- the client has gone ---- */

static void
test_cancel(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_file *file =
	    make_login_file("a:%s\n", make_hash("p", YESCRYPT));
	struct login_check *checks[LIMIT_LOGIN_CHECKS + 1];
	struct login_note notes[LIMIT_LOGIN_CHECKS + 1], last;
	uint64_t start;

	login_check_cancel(NULL);
	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < LIMIT_LOGIN_CHECKS + 1; i++)
		checks[i] = begin(env, &bench, login_file_keep(file), "a", "q",
		    &notes[i]);
	SOCKENV_UNTIL(env, seen.calls == LIMIT_LOGIN_CHECKS);
	/* One that waits, and one at which a thread is at work. */
	login_check_cancel(checks[LIMIT_LOGIN_CHECKS]);
	login_check_cancel(checks[0]);
	/* The others, while their answers are delayed. */
	pthread_mutex_unlock(&gate);
	SOCKENV_UNTIL(env, seen.running == 0);
	turn_often(env);
	for (size_t i = 1; i < LIMIT_LOGIN_CHECKS; i++)
		login_check_cancel(checks[i]);
	assert_int_equal(seen.calls, LIMIT_LOGIN_CHECKS);
	/* Two wrong passwords have counted. */
	start = uv_now(&env->loop);
	begin(env, &bench, file, "a", "p", &last);
	SOCKENV_UNTIL(env, last.calls > 0);
	assert_true(last.in);
	assert_true(last.when - start >= 2 * LIMIT_LOGIN_DELAY_MS);
	for (size_t i = 0; i < LIMIT_LOGIN_CHECKS + 1; i++)
		assert_int_equal(notes[i].calls, 0);
	login_checker_free(bench.checker);
}

/* The end of the process: the loop releases what is left. */
static void
test_free_early(void **state)
{
	struct sockenv *env = *state;
	struct login_bench bench = bench_new(env);
	struct login_note note;
	struct login_check *check;

	pthread_mutex_lock(&gate);
	check = begin(env, &bench,
	    make_login_file("a:%s\n", make_hash("p", YESCRYPT)), "a", "p",
	    &note);
	SOCKENV_UNTIL(env, seen.calls == 1);
	login_check_cancel(check);
	login_checker_free(bench.checker);
	login_checker_free(NULL);
	pthread_mutex_unlock(&gate);
	SOCKENV_UNTIL(env, seen.running == 0);
	assert_int_equal(note.calls, 0);
}

/* ---- confined ---- */

static const char *confined_hash;

static void
note_confined(void *ctx, const struct login_answer *answer)
{
	const char **why = ctx;

	*why = answer->user != NULL ? "" : answer->why;
}

/* The threads of the pool start when all filters are on. */
static void
try_check(struct env *env)
{
	struct login_file *file = make_login_file("a:%s\n", confined_hash);
	const struct addr client = address("192.0.2.1");
	const struct login_request request = { file, &client, "a", "p", 0 };
	struct login_checker *checker;
	const char *why = NULL;
	uv_loop_t loop;

	confine_all(env);
	uv_loop_init(&loop);
	checker = login_checker_new(&loop);
	login_check_start(checker, &request, note_confined, &why);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (why == NULL || why[0] != '\0')
		dprintf(env->report, "%.7s: %s\n", confined_hash,
		    why != NULL ? why : "no answer");
	login_checker_free(checker);
	login_file_free(file);
	uv_loop_close(&loop);
}

static void
test_confined(void **state)
{
	const char *const hashes[] = { make_hash("p", "$y$", 0),
		make_hash("p", "$6$", 0), make_hash("p", "$2b$", 0) };

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		confined_hash = hashes[i];
		run_confined(*state, try_check);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: its children have no threads of an earlier loop. */
		CONFINED_TEST(test_confined),
		SOCKENV_TEST(test_passwords),
		SOCKENV_TEST(test_long_passwords),
		SOCKENV_TEST(test_broken_hash),
		SOCKENV_TEST(test_same_method),
		SOCKENV_TEST(test_empty_file),
		SOCKENV_TEST(test_threads),
		SOCKENV_TEST(test_delay),
		SOCKENV_TEST(test_end_of_session),
		SOCKENV_TEST(test_cancel),
		SOCKENV_TEST(test_free_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
