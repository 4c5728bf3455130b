/*
 * The report of culvert check.
 */
#include "check/report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void
report_forward(struct report *report, const char *forward)
{
	report->forward = forward;
	report->told = false;
}

void
report_free(struct report *report)
{
	json_decref(report->checks);
}

/* ---- for people ---- */

static void
report_print(struct report *report, const struct advice *advice)
{
	if (report->quiet && advice->status < ADVICE_NOTE)
		return;
	if (report->forward != NULL && !report->told)
		printf("%s\n", report->forward);
	report->told = true;
	printf("%-8s %-15s %s\n", advice_status_name(advice->status),
	    advice->step, advice->text);
	for (size_t i = 0; i < advice->n_fixes; i++) {
		const struct advice_fix *fix = &advice->fixes[i];
		bool remark = fix->remark[0] != '\0';
		bool both = remark && fix->put[0] != '\0';

		printf("      -> %s: %s%s%s%s\n", fix->place, fix->put,
		    both ? "   (" : "", fix->remark, both ? ")" : "");
	}
	fflush(stdout);
}

static void
print_verdict(const struct report *report)
{
	if (report->wrong > 0)
		printf("\nTransfers will fail: %u step%s failed.\n",
		    report->wrong, report->wrong == 1 ? "" : "s");
	else if (report->untried > 0)
		printf("\nNothing is wrong, but some steps were not tried.\n");
	else
		printf("\nTransfers will work.\n");
}

/* What the options of the key permit. */
static const char *
print_permitted(const struct report_end *end)
{
	if (!end->ftp)
		return "SFTP (restrict,command)";
	if (end->sftp)
		return "SFTP (command) and forwarding "
		       "(restrict,port-forwarding),\n"
		       "and limit where sshd connects to (permitopen) and "
		       "listens (permitlisten)";
	return "forwarding (restrict,port-forwarding), forbid a shell "
	       "(command),\n"
	       "and limit where sshd connects to (permitopen) and listens "
	       "(permitlisten)";
}

static void
print_sshd_config(const struct report_end *end)
{
	const char *line = end->sshd_config;

	printf("\nOr put these lines at the end of sshd_config of %s.  They "
	       "permit only SFTP,\n"
	       "below DIRECTORY, which must belong to root; without the last "
	       "line, everywhere:\n\n",
	    end->sshd_host);
	while (*line != '\0') {
		int len = (int)strcspn(line, "\n");

		printf("    %.*s\n", len, line);
		line += len + (line[len] == '\n');
	}
}

static void
print_end(const struct report *report, const struct report_end *end)
{
	print_verdict(report);
	if (end->command[0] != '\0')
		printf("%s%s\n\n    %s\n",
		    report->wrong > 0 ? "Once that is fixed, use this command" :
					"Use this command",
		    end->changed ? "; replace the words in capitals:" : ":",
		    end->command);
	if (end->key_line[0] != '\0')
		printf("\nPut these options in front of the key in %s.\n"
		       "They permit only %s:\n\n"
		       "    %s\n",
		    end->key_place, print_permitted(end), end->key_line);
	if (end->sshd_config[0] != '\0')
		print_sshd_config(end);
}

/* ---- for programs ---- */

/* Text that is not UTF-8, such as a file name, is escaped. */
static json_t *
report_json_text(const char *words)
{
	char escaped[LOG_ESCAPED_MAX];
	json_t *string = json_string(words);

	if (string == NULL)
		string = json_string(
		    log_escape(escaped, sizeof(escaped), words, strlen(words)));
	return string;
}

static json_t *
report_json_fixes(const struct advice *advice)
{
	json_t *list = json_array();

	for (size_t i = 0; i < advice->n_fixes; i++) {
		const struct advice_fix *fix = &advice->fixes[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:o}", "place",
			report_json_text(fix->place), "put",
			report_json_text(fix->put), "remark",
			report_json_text(fix->remark)));
	}
	return list;
}

static void
report_keep(struct report *report, const struct advice *advice)
{
	json_t *check = json_pack("{s:o, s:s, s:o, s:o}", "check",
	    report_json_text(advice->step), "status",
	    advice_status_name(advice->status), "text",
	    report_json_text(advice->text), "fixes", report_json_fixes(advice));

	if (report->forward != NULL)
		json_object_set_new(check, "forward",
		    report_json_text(report->forward));
	if (report->checks == NULL)
		report->checks = json_array();
	/* A report without one of its checks must not look complete. */
	if (json_array_append_new(report->checks, check) != 0)
		report->incomplete = true;
}

static const char *
transfers(const struct report *report)
{
	if (report->wrong > 0)
		return "fail";
	return report->untried > 0 ? "unknown" : "work";
}

static bool
print_json(const struct report *report, const struct report_end *end)
{
	json_t *all = json_pack("{s:o, s:O, s:s, s:o, s:o, s:o, s:o}",
	    "destination", report_json_text(end->destination), "checks",
	    report->checks, "transfers", transfers(report), "command",
	    report_json_text(end->command), "authorized_keys",
	    report_json_text(end->key_line), "authorized_keys_place",
	    report_json_text(end->key_place), "sshd_config",
	    report_json_text(end->sshd_config));
	bool good = all != NULL && !report->incomplete &&
	    json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && puts("") >= 0;

	json_decref(all);
	return good;
}

/* ---- report.h ---- */

void
report_add(struct report *report, const struct advice *advice)
{
	if (advice->status > report->worst)
		report->worst = advice->status;
	report->wrong += advice->status == ADVICE_WRONG;
	report->untried += advice->status == ADVICE_UNTRIED;
	if (report->json)
		report_keep(report, advice);
	else
		report_print(report, advice);
}

bool
report_finish(struct report *report, const struct report_end *end)
{
	bool good = true;

	if (report->json)
		good = print_json(report, end);
	else
		print_end(report, end);
	return fflush(stdout) == 0 && good && !ferror(stdout);
}
