/*
 * base/user.c: looking up users, and becoming one permanently.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/caps.h"
#include "base/user.h"

static void
test_find(void **state)
{
	const struct passwd *entry = getpwnam("daemon");
	struct user user = { .name = NULL };
	char number[16];
	uid_t uid;

	(void)state;
	assert_non_null(entry);
	uid = entry->pw_uid;
	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	assert_int_equal(user_find("daemon", &user), 0);
	assert_string_equal(user.name, "daemon");
	assert_int_equal(user.uid, uid);
	assert_string_equal(user.home, getpwuid(uid)->pw_dir);
	assert_string_equal(user.shell, getpwuid(uid)->pw_shell);
	user_free(&user);
	user_free(&user);
	assert_int_equal(user_find(number, &user), 0);
	assert_string_equal(user.name, "daemon");
	user_free(&user);
}

static void
test_unknown(void **state)
{
	static const char *const names[] = { "", "no-such-user", "4294967295",
		"4294967294", "99999999999", "-1", "+1", "1x" };
	struct user user = { .name = NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(user_find(names[i], &user), -ENOENT);
	assert_null(user.name);
}

/* Runs in a child, whose exit status is the line that failed. */
#define CHECK(condition)                       \
	do {                                   \
		if (!(condition))              \
			_exit(__LINE__ % 256); \
	} while (0)

static void
become(uint64_t keep)
{
	struct user user;
	gid_t groups[64];

	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("DBUS_SESSION_BUS_ADDRESS", "x", 1);
	setenv("HOME", "/root", 1);
	CHECK(setgroups(1, &(gid_t) { 0 }) == 0);
	CHECK(user_find("daemon", &user) == 0);
	CHECK(user_become(&user, keep) == 0);
	CHECK(getuid() == user.uid && geteuid() == user.uid);
	CHECK(getgid() == user.gid && getegid() == user.gid);
	for (int i = getgroups(64, groups) - 1; i >= 0; i--)
		CHECK(groups[i] != 0);
	CHECK(setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0);
	CHECK(setgroups(0, NULL) != 0);
	CHECK(strcmp(getenv("HOME"), user.home) == 0);
	CHECK(strcmp(getenv("USER"), "daemon") == 0);
	CHECK(strcmp(getenv("LOGNAME"), "daemon") == 0);
	CHECK(strcmp(getenv("SHELL"), user.shell) == 0);
	CHECK(getenv("XDG_RUNTIME_DIR") == NULL);
	CHECK(getenv("DBUS_SESSION_BUS_ADDRESS") == NULL);
	user_free(&user);
}

static uint64_t
effective(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long long value = ~0ULL;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "CapEff:", 7) == 0)
			value = strtoull(line + 7, NULL, 16);
	if (file != NULL)
		fclose(file);
	return value;
}

static void
test_become(void **state)
{
	static const uint64_t keep[] = { 0, CAPS_MASK(CAP_NET_BIND_SERVICE) };
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			become(keep[i]);
			CHECK(effective() == keep[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* It fails if the process could become the old user again. */
static void
test_become_in_vain(void **state)
{
	struct user user = { .uid = 1, .gid = 1 };
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	user.name = user.home = user.shell = (char *)(uintptr_t) "daemon";
	pid = fork();
	if (pid == 0) {
		CHECK(user_become(&user, CAPS_MASK(CAP_SETUID)) == -EPERM);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = fork();
	if (pid == 0) {
		CHECK(setuid(1) == 0);
		CHECK(user_become(&user, 0) == -EPERM); /* no root to begin */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_become),
		cmocka_unit_test(test_become_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
