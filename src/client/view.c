/*
 * The full-screen view.
 */
#include "client/view.h"

#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "client/show.h"

#define VIEW_REFRESH_MS 1000

/* A line of what is shown. */
struct line {
	char *text;
	long session;	/* that begins here, or 0 */
	size_t culvert; /* whose it is */
};

struct view {
	struct asked *asked;
	size_t n;
	view_ask_cb *ask_one;
	void *ctx;
	json_t *now[ASK_MAX], *before[ASK_MAX];
	struct timespec at;
	double seconds; /* between the two */
	struct line *lines;
	size_t n_lines;
	size_t culvert;		/* whose lines are being made */
	long selected;		/* a session, or 0 */
	size_t selected_of;	/* and whose */
	size_t top;		/* the first line on the screen */
	bool asking;		/* whether to end it */
	char said[ASK_WHY_MAX]; /* at the bottom */
};

/* ---- what there is to see ---- */

static void
forget_lines(struct view *view)
{
	for (size_t i = 0; i < view->n_lines; i++)
		free(view->lines[i].text);
	free(view->lines);
	view->lines = NULL;
	view->n_lines = 0;
}

static void
add_line(void *ctx, long session, const char *text)
{
	struct view *view = ctx;
	struct line *grown =
	    realloc(view->lines, (view->n_lines + 1) * sizeof(*grown));
	char *copy = strdup(text);

	if (grown != NULL)
		view->lines = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return;
	}
	view->lines[view->n_lines++] =
	    (struct line) { copy, session, view->culvert };
}

static void
make_lines(struct view *view)
{
	forget_lines(view);
	for (view->culvert = 0; view->culvert < view->n; view->culvert++) {
		if (view->now[view->culvert] == NULL)
			continue;
		show_status(view->now[view->culvert],
		    view->before[view->culvert], view->seconds, (unsigned)COLS,
		    add_line, view);
		add_line(view, 0, "");
	}
}

static double
since(const struct timespec *then, const struct timespec *now)
{
	return (double)(now->tv_sec - then->tv_sec) +
	    (double)(now->tv_nsec - then->tv_nsec) / 1e9;
}

/* Asks all again.  False: none of them answers. */
static bool
refresh_all(struct view *view)
{
	struct timespec now;
	bool any = false;

	clock_gettime(CLOCK_MONOTONIC, &now);
	view->seconds = since(&view->at, &now);
	view->at = now;
	for (size_t i = 0; i < view->n; i++) {
		json_decref(view->before[i]);
		view->before[i] = view->now[i];
		view->now[i] = view->asked[i].fd < 0 ?
		    NULL :
		    view->ask_one(view->ctx, &view->asked[i]);
		any |= view->now[i] != NULL;
	}
	return any;
}

/* ---- the screen ---- */

/* As much of it as the line has columns. */
static void
put_text(int row, const char *text)
{
	wchar_t wide[1024];
	size_t len = mbstowcs(wide, text, 1023);
	int columns = 0;

	move(row, 0);
	clrtoeol();
	if (len == (size_t)-1) {
		/* No locale for these letters. */
		for (; *text != '\0' && columns < COLS; text++, columns++)
			addch((unsigned char)*text < 0x80 ? (chtype)*text :
							    (chtype)'?');
		return;
	}
	for (size_t i = 0; i < len; i++) {
		int width = wcwidth(wide[i]);

		if (columns + (width > 0 ? width : 0) > COLS)
			break;
		columns += width > 0 ? width : 0;
		addnwstr(&wide[i], 1);
	}
}

static size_t
find_selected(const struct view *view)
{
	for (size_t i = 0; i < view->n_lines; i++)
		if (view->selected != 0 &&
		    view->lines[i].session == view->selected &&
		    view->lines[i].culvert == view->selected_of)
			return i;
	return view->n_lines;
}

static size_t
rows(void)
{
	return LINES > 1 ? (size_t)(LINES - 1) : 1;
}

/* The selected line is on the screen, and the last one at its end. */
static void
settle_top(struct view *view)
{
	size_t at = find_selected(view);

	if (at < view->n_lines && at < view->top)
		view->top = at;
	if (at < view->n_lines && at >= view->top + rows())
		view->top = at - rows() + 1;
	if (view->n_lines <= rows())
		view->top = 0;
	else if (view->top > view->n_lines - rows())
		view->top = view->n_lines - rows();
}

static void
draw(struct view *view)
{
	size_t selected = find_selected(view);
	char question[200];

	erase();
	for (size_t row = 0; row < rows(); row++) {
		size_t at = view->top + row;

		if (at >= view->n_lines)
			break;
		if (at == selected)
			attron(A_REVERSE);
		put_text((int)row, view->lines[at].text);
		attroff(A_REVERSE);
	}
	snprintf(question, sizeof(question),
	    "End session %ld? Its transfers are cut. (y/n)", view->selected);
	attron(A_BOLD);
	put_text(LINES - 1,
	    view->asking ? question :
		view->said[0] != '\0' ?
			   view->said :
			   "q quit   arrows select   k end session");
	attroff(A_BOLD);
	refresh();
}

/* ---- keys ---- */

/* The next or the previous session. */
static void
select_next(struct view *view, int step)
{
	size_t at = find_selected(view);

	if (at == view->n_lines && step < 0)
		at = view->n_lines;
	else if (at == view->n_lines)
		at = (size_t)-1;
	for (;;) {
		at += (size_t)step;
		if (at >= view->n_lines)
			break;
		if (view->lines[at].session == 0)
			continue;
		view->selected = view->lines[at].session;
		view->selected_of = view->lines[at].culvert;
		return;
	}
	/* There is none that way: the text moves. */
	if (step > 0 && view->top + rows() < view->n_lines)
		view->top++;
	else if (step < 0 && view->top > 0)
		view->top--;
}

static void
end_selected(struct view *view)
{
	json_t *answer;

	answer = ask(&view->asked[view->selected_of],
	    json_pack("{s:s, s:I}", "do", "end", "session",
		(json_int_t)view->selected),
	    view->said);
	if (answer != NULL)
		snprintf(view->said, sizeof(view->said),
		    "session %ld was ended", view->selected);
	json_decref(answer);
	view->selected = 0;
}

/* False: it is the end. */
static bool
take_key(struct view *view, int key)
{
	if (view->asking) {
		if (key == 'y' || key == 'Y')
			end_selected(view);
		view->asking = view->asking && key == ERR;
		return true;
	}
	if (key != ERR)
		view->said[0] = '\0';
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'k':
	case 'K':
		view->asking = find_selected(view) < view->n_lines;
		if (!view->asking)
			snprintf(view->said, sizeof(view->said),
			    "select a session first, with the arrow keys");
		break;
	case KEY_DOWN:
		select_next(view, 1);
		break;
	case KEY_UP:
		select_next(view, -1);
		break;
	default:
		break;
	}
	return true;
}

/* Until q, or the end of all. */
static bool
watch(struct view *view, char why[ASK_WHY_MAX])
{
	struct timespec now;
	int left;

	for (;;) {
		if (!refresh_all(view)) {
			snprintf(why, ASK_WHY_MAX, "culvert has ended");
			return false;
		}
		do {
			make_lines(view);
			settle_top(view);
			draw(view);
			clock_gettime(CLOCK_MONOTONIC, &now);
			left = VIEW_REFRESH_MS -
			    (int)(since(&view->at, &now) * 1000);
			timeout(left > 0 ? left : 0);
			if (!take_key(view, getch()))
				return true;
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (since(&view->at, &now) * 1000 < VIEW_REFRESH_MS);
	}
}

bool
view_run(struct asked *asked, size_t n, view_ask_cb *ask_one, void *ctx,
    char why[ASK_WHY_MAX])
{
	static struct view view;
	bool good;

	view = (struct view) {
		.asked = asked,
		.n = n,
		.ask_one = ask_one,
		.ctx = ctx,
	};
	setlocale(LC_CTYPE, "");
	if (newterm(NULL, stdout, stdin) == NULL) {
		snprintf(why, ASK_WHY_MAX,
		    "this terminal has no full screen (TERM); leave out -w");
		return false;
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	good = watch(&view, why);
	endwin();
	fflush(stdout);
	forget_lines(&view);
	for (size_t i = 0; i < n; i++) {
		json_decref(view.now[i]);
		json_decref(view.before[i]);
	}
	return good;
}
