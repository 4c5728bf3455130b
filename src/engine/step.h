/*
 * The control engine: what a step has done.  A part of engine/priv.h.
 */
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

enum step {
	STEP_IDLE, /* nothing: there is nothing to do */
	STEP_WAIT, /* nothing: something has to happen first */
	STEP_DONE,
};

#endif
