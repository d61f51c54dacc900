/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rings.pml - indices, events and masks between a guest and the worker that serves its rings
 * (xenbus/ring.c, xen9pfsd/device_lane.c, device_events.c), when nobody dies and the session is
 * never full; what deaths do is in requests.pml. For the model checker Spin; tests/spin/run.sh runs it.
 *
 * Who is there. A guest with two rings: for each a reader, which looks for replies after an event
 * only, takes all there are and then sends one event; and writers, each with one request, which
 * sleep when there is no room, until an event. A worker: the loop, which owns rings and session,
 * and asks that come back when they like. Each access to a shared word is a step of its own.
 *
 * What they send. 1, on ring 0; its reply takes the whole ring. 2, either on ring 1: the Tflush of 1;
 * or on ring 0: then 1 does not come back before 2 was received, as one that waits for a lock.
 *
 * Without events. A port that brought one stays masked until the loop rests: then it sends the events
 * that it owes, unmasks, and sleeps. An event that comes while its port is masked is pending then. A
 * port may also stay masked, and a timer unmasks all: that is for ports of which many events were for
 * nothing; here it is for any.
 * Before, the loop may look as often as it likes; looks that find nothing are left out here, for they
 * change nothing. An event that is owed may wait while the guest has not taken all that the last one
 * was for.
 *
 * What is checked. All is sent and answered in the end, once, or flushed; nobody sleeps for ever.
 * No index runs over the other; what a reader finds is a whole reply. After Rflush there is no reply
 * to 1 that could be taken for another's.
 *
 * Each of these makes a mistake, and the check has to find it:
 *	-DNO_UNMASK	a port is not unmasked
 *	-DNO_TIMER	one that stays masked when the loop rests stays so
 *	-DLOOK_FIRST	an event is taken, and so gone, after the look at the rings that it is for
 *	-DNO_TAKE_EVENT	the guest is not told that there is room for requests again
 *	-DOWN_ONLY	after an event of one ring, nothing is looked at of the others
 *	-DNO_DRAIN	a Tflush does not wait until the other ring was emptied
 *	-DNO_HOLD	an Rflush does not wait until the replies of the other ring were taken
 *	-DIN_PARTS	a reply is published as far as there is room
 *	-DNO_ROOM	a reply is put whether there is room or not
 */

#define RINGS 2
#ifndef OUT_SIZE
#define OUT_SIZE 1
#endif
#define IN_SIZE 2

/* Requests. */
#define NOWHERE 0
#define ASKING 1
#define FLUSHED 2 /* but still asking */
#define SENDING 3
#define OVER 4

/* Shared. */
byte out_prod[RINGS], out_cons[RINGS], in_prod[RINGS], in_cons[RINGS];
byte out_ring[4]; /* 2 for each ring, */
byte in_ring[4];  /* IN_SIZE for each */
bool back_event[RINGS], back_masked[RINGS], front_event[RINGS];

/* The guest's. */
bool wake[RINGS];
bool sent[3], answered[3], rflushed;

/* For the checks only. */
bool with_flush;

#define is_flush(id) ((id) == 2 && with_flush)
#define ring_of(id) (is_flush(id) -> 1 : 0)
#define size_of(id) ((id) == 1 -> IN_SIZE : 1)

/* ---- the guest ---- */

proctype writer(byte id)
{
	byte r = ring_of(id);

	!is_flush(id) || sent[1];
again:	wake[r] = false;
	if
	:: d_step {
		out_prod[r] - out_cons[r] < OUT_SIZE ->
		assert(out_prod[r] - out_cons[r] <= OUT_SIZE);
		out_ring[r * 2 + out_prod[r] % OUT_SIZE] = id;
		sent[id] = true;
		out_prod[r]++
	   }
	:: else ->
end:		wake[r];
		goto again
	fi;
	back_event[r] = true
}

proctype reader(byte r)
{
	byte got, size;

end:	do
	:: front_event[r] ->
		front_event[r] = false;
		wake[r] = true;
		do
		:: in_prod[r] != in_cons[r] ->
			d_step {
				got = in_ring[r * IN_SIZE + in_cons[r] % IN_SIZE];
				assert(got != 0);
				size = size_of(got);
				assert(in_prod[r] - in_cons[r] <= IN_SIZE);
				assert(in_prod[r] - in_cons[r] >= size);
				assert(sent[got] && !answered[got]);
				assert(got != 1 || !rflushed);
				answered[got] = true;
				rflushed = rflushed || is_flush(got);
				in_ring[r * IN_SIZE + in_cons[r] % IN_SIZE] = 0
			}
			in_cons[r] = in_cons[r] + size;
			got = 0;
			size = 0
		:: else -> break
		od;
		back_event[r] = true
	od
}

/* ---- the worker: out of the session, into the ring ---- */

inline queue(r, id)
{
	d_step {
		unsent[(r) * 4 + queued[r]] = id;
		queued[r]++
	}
}

inline drop_first(r)
{
	d_step {
		unsent[(r) * 4] = unsent[(r) * 4 + 1];
		unsent[(r) * 4 + 1] = unsent[(r) * 4 + 2];
		unsent[(r) * 4 + 2] = unsent[(r) * 4 + 3];
		unsent[(r) * 4 + 3] = 0;
		queued[r]--
	}
}

inline over(id)
{
	d_step {
		state[id] = OVER;
		if
		:: more[0] -> later[0] = true
		:: else
		fi;
		if
		:: more[1] -> later[1] = true
		:: else
		fi
	}
}

/* Into the queue of ring 1, or to wait for the guest. */
inline send_flush()
{
	d_step {
		state[2] = SENDING;
		mark = prod[0];
		flush_held = true;
		later[1] = true
	}
}

inline release_held()
{
	if
#ifdef NO_HOLD
	:: flush_held -> flush_held = false; queue(1, 2)
#else
	:: flush_held && in_cons[0] >= mark -> flush_held = false; queue(1, 2)
#endif
	:: else
	fi
}

inline put_unsent(r)
{
	do
	:: queued[r] > 0 ->
		reply = unsent[(r) * 4];
		seen = in_cons[r];
		assert(prod[r] - seen <= IN_SIZE);
		if
#ifndef NO_ROOM
#ifdef IN_PARTS
		:: prod[r] - seen == IN_SIZE -> break
		:: size_of(reply) == 2 && prod[r] - seen == 1 ->
			in_ring[(r) * IN_SIZE + prod[r] % IN_SIZE] = reply;
			in_prod[r] = prod[r] + 1;
			notify[r] = true;
			break
#else
		:: IN_SIZE - (prod[r] - seen) < size_of(reply) -> break
#endif
#endif
		:: else ->
			in_ring[(r) * IN_SIZE + prod[r] % IN_SIZE] = reply;
			prod[r] = prod[r] + size_of(reply);
			in_prod[r] = prod[r];
			notify[r] = true;
			drop_first(r);
			over(reply);
			if
			:: reply == 1 && flush_waits -> flush_waits = false; send_flush()
			:: else
			fi
		fi
	:: else -> break
	od;
	seen = 0;
	reply = 0
}

inline send(id)
{
	state[id] = SENDING;
	if
	:: is_flush(id) -> send_flush(); release_held(); put_unsent(1)
	:: else -> queue(0, id); put_unsent(0); later[0] = true
	fi
}

inline send_on()
{
#ifdef OWN_ONLY
	if
	:: r == 1 -> release_held()
	:: else
	fi;
	put_unsent(r);
	later[r] = later[r] || notify[r]
#else
	release_held();
	put_unsent(0);
	put_unsent(1);
	d_step {
		later[0] = later[0] || notify[0];
		later[1] = later[1] || notify[1]
	}
#endif
}

/* ---- the worker: out of the ring, into the session ---- */

inline receive_flush()
{
	if
	:: state[1] == ASKING -> state[1] = FLUSHED; send_flush()
	:: state[1] == SENDING -> state[2] = ASKING; flush_waits = true
	:: else -> send_flush()
	fi
}

/* One message is a burst. A Tflush waits in `flush_taken`. */
inline take_burst(n)
{
	more[n] = false;
	seen = out_prod[n];
	assert(seen - cons[n] <= OUT_SIZE);
	if
	:: seen != cons[n] ->
		d_step {
			taken = out_ring[(n) * 2 + cons[n] % OUT_SIZE];
			cons[n]++;
			seen = 0
		}
		out_cons[n] = cons[n];
#ifndef NO_TAKE_EVENT
		notify[n] = true;
#endif
		more[n] = true;
		if
		:: is_flush(taken) -> flush_taken = true
		:: else -> state[taken] = ASKING
		fi;
		taken = 0
	:: else
	fi;
	seen = 0
}

inline take_flushes()
{
	if
	:: flush_taken ->
#ifndef NO_DRAIN
		take_burst(0);
		later[0] = true;
#endif
		flush_taken = false;
		receive_flush()
	:: else
	fi
}

inline serve()
{
	send_on();
	take_burst(r);
	take_flushes();
	later[r] = true
}

inline send_event(n)
{
	d_step {
		notify[n] = false;
		told[n] = prod[n];
		front_event[n] = true
	}
}

/* An event that has waited for long is sent in any case. */
inline round_end()
{
	later[r] = false;
	if
	:: notify[r] -> send_event(r)
	:: notify[r] && in_cons[r] < told[r] /* it waits */
	:: !notify[r]
	fi;
	if
	:: more[r] -> serve()
	:: else
	fi
}

inline event()
{
#ifdef LOOK_FIRST
	serve();
#endif
	d_step { back_event[r] = false; back_masked[r] = true; asleep = false }
#ifndef LOOK_FIRST
	serve()
#endif
}

/* ---- the worker: without events ---- */

#define offers(n) (out_prod[n] != cons[n])
#define can_put(n) (queued[n] > 0 && IN_SIZE - (prod[n] - in_cons[n]) >= size_of(unsent[(n) * 4]))
#define can_release (flush_held && in_cons[0] >= mark)
#define due(n) (notify[n] && in_cons[n] >= told[n])

/* What a look would find. */
#define finds (offers(0) || offers(1) || can_put(0) || can_put(1) || can_release)

inline look()
{
	release_held();
	put_unsent(0);
	put_unsent(1);
	take_burst(0);
	take_burst(1);
	take_flushes();
	d_step { later[0] = true; later[1] = true }
}

inline unmask_or_wait(n)
{
	if
#ifdef NO_UNMASK
	:: back_masked[n]
#else
	:: back_masked[n] -> back_masked[n] = false
#ifdef NO_TIMER
	:: back_masked[n]
#else
	:: back_masked[n] -> timer = true
#endif
#endif
	:: !back_masked[n]
	fi
}

inline rest()
{
	if
	:: notify[0] -> send_event(0)
	:: else
	fi;
	if
	:: notify[1] -> send_event(1)
	:: else
	fi;
	unmask_or_wait(0);
	unmask_or_wait(1);
	asleep = true
}

inline timer_ready()
{
	d_step {
		timer = false;
		back_masked[0] = false;
		back_masked[1] = false;
		asleep = false
	}
}

/* The ask has come back. */
inline finish(id)
{
	if
	:: state[id] == FLUSHED -> over(id)
	:: else -> send(id)
	fi
}

#define received(id) (state[id] != NOWHERE)
#define back(id) (state[id] == ASKING || state[id] == FLUSHED)
#define idle (!later[0] && !later[1])

active proctype loop()
{
	/* Its own: nobody else sees when that changes. */
	byte cons[RINGS], prod[RINGS];
	byte state[3];
	bool notify[RINGS], more[RINGS], later[RINGS];
	byte unsent[8], queued[RINGS]; /* replies, 4 for each ring */
	bool flush_waits; /* for the reply of 1 to be put */
	bool flush_taken; /* and not received yet: the other ring comes first */
	bool flush_held;  /* Rflush waits until ring 0 was read up to: */
	byte mark;
	byte told[RINGS];
	bool asleep;
	bool timer; /* runs */
	byte r, seen, taken, reply;

	d_step { more[0] = true; more[1] = true; later[0] = true; later[1] = true }
end:	do
	:: later[0] -> r = 0; round_end()
	:: later[1] -> r = 1; round_end()
	:: idle && back_event[0] && !back_masked[0] -> r = 0; event()
	:: idle && back_event[1] && !back_masked[1] -> r = 1; event()
	:: idle && !asleep && finds -> look()
	:: idle && !asleep && due(0) -> send_event(0)
	:: idle && !asleep && due(1) -> send_event(1)
	:: idle && !asleep -> rest()
	:: idle && timer -> timer_ready()
	:: idle && back(1) && (with_flush || received(2)) -> asleep = false; finish(1)
	:: idle && back(2) && !with_flush -> asleep = false; finish(2)
	od
}

active proctype guest()
{
	atomic {
		if
		:: with_flush = true
		:: skip
		fi;
		run reader(0);
		run reader(1);
		run writer(1);
		run writer(2);
	}
}

active proctype end_of_all()
{
	timeout;
	assert(sent[1] && sent[2] && answered[2]);
	assert(answered[1] || rflushed);
	assert(out_cons[0] == out_prod[0] && out_cons[1] == out_prod[1]);
	assert(in_cons[0] == in_prod[0] && in_cons[1] == in_prod[1])
}
