/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The runtime under a unit of kernel C: it turns every access to shared memory into a question.
 *
 * The unit is compiled with -fsanitize=thread, and no sanitizer is linked: the callbacks are here, as KCSAN brings its
 * own.  A callback looks at the address.  The thread's own stack, its arena and constants are local; all else is shared,
 * and an access to it suspends the thread with a request in `request`.  Whoever resumes it says what the memory held.
 *
 * The thread runs on a stack at a fixed address, so that pointers into it stay valid when its bytes are copied out and
 * put back.  Its state is what lies on the stack from the stack pointer up (the registers that a call must keep are
 * pushed by rt_switch()), the used part of the arena, and the regions that the unit owns.
 *
 * The order of two accesses is kept: a callback for a write comes before the write itself, so the address is kept, and
 * the request is made with the value found there before the next request, or at the end.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint64_t u64;

#define STACK 0x100000000000UL
#define STACK_SIZE 0x10000UL
#define ARENA 0x100000100000UL
#define ARENA_SIZE 0x100000UL
#define SHARED 0x200000000000UL
#define SHARED_SIZE 0x1000000UL
#define PERCPU 0x300000000000UL
#define PERCPU_STRIDE 0x10000UL
#define MAX_CPUS 16
#define STEP_SECONDS 3 /* of processor time */
#define BELOW 4096 /* bytes under the stack pointer that are cleared before the thread goes on */

/* What a suspended thread asks; also read by core/tree/unit.py. */
struct request {
	const char *kind;
	u64 address, size, a, b, c, pc;
};

struct request request;
int done;
u64 result;

/* Constants: settings of the machine, that no thread changes. */
int CPU __attribute__((section("rt_const")));
u64 NCPU __attribute__((section("rt_const"))) = 4;
u64 rt_arguments[2048] __attribute__((section("rt_const"))); /* all arguments of the entry, of which it is passed four */
extern char __start_rt_const[], __stop_rt_const[];
extern char __start_percpu[] __attribute__((weak)), __stop_percpu[] __attribute__((weak));

/* The state of the suspended thread, as rt_save() has copied it: what it owns, its stack from the pointer up, its arena. */
#define OWNED_SIZE 0x10000UL
unsigned char rt_saved[OWNED_SIZE + STACK_SIZE + ARENA_SIZE];
static unsigned char fresh[OWNED_SIZE]; /* what a thread owns when it starts */

#define MAX_REGIONS 512
static u64 region_start[MAX_REGIONS], region_end[MAX_REGIONS];
static int regions;

/* Local state that the thread's own code does not see: at the top of its stack, so that a snapshot has it. */
struct local {
	u64 arena_used, write_address, write_size, write_volatile, write_pc, cpu, pad[2];
};
#define LOCAL ((struct local *)(STACK + STACK_SIZE - sizeof(struct local)))

static void *scheduler_sp, *thread_sp;
static u64 answer;

extern void rt_switch(void **save, void *load);
asm(".text\n.globl rt_switch\nrt_switch:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");

/* ---- memory ---- */

static void reserve(u64 start, u64 size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;

	if (mmap((void *)start, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) {
		perror("runtime: mmap");
		_exit(3);
	}
}

/* A region that is not shared: a constant, or memory that only this thread uses. */
int rt_region(u64 start, u64 size)
{
	if (regions == MAX_REGIONS)
		return 0;
	region_start[regions] = start;
	region_end[regions++] = start + size;
	return 1;
}

static u64 owned_start[MAX_REGIONS], owned_size[MAX_REGIONS], owned_used;
static int owned;

/* A region that belongs to the thread and is a part of its state. 0 if there is no room. */
int rt_own(u64 start, u64 size)
{
	if (owned_used + size > OWNED_SIZE || !rt_region(start, size))
		return 0;
	memcpy(fresh + owned_used, (void *)start, size);
	owned_start[owned] = start;
	owned_size[owned++] = size;
	owned_used += size;
	return 1;
}

static void put_owned(const unsigned char *from)
{
	for (int i = 0; i < owned; from += owned_size[i++])
		memcpy((void *)owned_start[i], from, owned_size[i]);
}

extern const char __ehdr_start[] __attribute__((visibility("hidden"))); /* where the unit is loaded */

/* A crash or a time limit: say where, for whoever reads stderr, and end. */
static void report(int number, siginfo_t *info, void *context)
{
	u64 pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	char text[128];
	int n = snprintf(text, sizeof text, "runtime: signal %d pc %#lx last %#lx\n", number, pc - (u64)__ehdr_start,
			 request.pc - (u64)__ehdr_start);

	(void)info;
	(void)!write(2, text, n);
	_exit(4);
}

static void catch_signals(void)
{
	static char stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_sigaction = report, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF, SIGXCPU };

	sigaltstack(&alternative, NULL);
	for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaction(numbers[i], &action, NULL);
}

void rt_init(void)
{
	reserve(STACK, STACK_SIZE);
	reserve(ARENA, ARENA_SIZE);
	reserve(SHARED, SHARED_SIZE);
	reserve(PERCPU, PERCPU_STRIDE * MAX_CPUS);
	for (u64 cpu = 0; __start_percpu && cpu < MAX_CPUS; cpu++)
		memcpy((void *)(PERCPU + cpu * PERCPU_STRIDE), __start_percpu, __stop_percpu - __start_percpu);
	rt_region((u64)__start_rt_const, __stop_rt_const - __start_rt_const);
	catch_signals();
}

static int is_local(u64 p)
{
	if ((p >= STACK && p < STACK + STACK_SIZE) || (p >= ARENA && p < ARENA + ARENA_SIZE))
		return 1;
	for (int i = 0; i < regions; i++)
		if (p >= region_start[i] && p < region_end[i])
			return 1;
	return 0;
}

int rt_local(const volatile void *p)
{
	return is_local((u64)p);
}

void *rt_alloc(u64 size)
{
	struct local *local = LOCAL;
	void *p = (void *)(ARENA + local->arena_used);

	local->arena_used += (size + 15) & ~15UL;
	if (local->arena_used > ARENA_SIZE)
		abort();
	memset(p, 0, size);
	return p;
}

/* The CPU whose code the thread runs: its own, or one whose handler is being shown (shim/cpus.h). */
int rt_cpu(void)
{
	return LOCAL->cpu;
}

void rt_be_cpu(int cpu)
{
	LOCAL->cpu = cpu;
}

/* ---- requests ---- */

static u64 ask(const char *kind, u64 address, u64 size, u64 a, u64 b, u64 c, u64 pc)
{
	request = (struct request){ kind, address, size, a, b, c, pc };
	rt_switch(&thread_sp, scheduler_sp);
	return answer;
}

/* Make the request of the write that has been announced, now that it has happened. */
static void settle(void)
{
	struct local *local = LOCAL;
	u64 address = local->write_address, size = local->write_size, pc = local->write_pc, value = 0;
	const char *kind = local->write_volatile ? "WRITE_ONCE" : "write";

	if (!address)
		return;
	local->write_address = local->write_size = local->write_volatile = local->write_pc = 0;
	memcpy(&value, (void *)address, size);
	ask(kind, address, size, value, 0, 0, pc);
}

static void read_access(u64 p, u64 size, int is_volatile, u64 pc)
{
	u64 value;

	if (is_local(p))
		return;
	settle();
	value = ask(size > 8 ? "wide" : is_volatile ? "READ_ONCE" : "read", p, size, 0, 0, 0, pc);
	memcpy((void *)p, &value, size > 8 ? 8 : size); /* another branch of the search may have left anything there */
}

static void write_access(u64 p, u64 size, int is_volatile, u64 pc)
{
	struct local *local = LOCAL;

	if (is_local(p))
		return;
	settle();
	if (size > 8)
		ask("wide", p, size, 0, 0, 0, pc);
	local->write_address = p;
	local->write_size = size > 8 ? 8 : size;
	local->write_volatile = is_volatile;
	local->write_pc = pc;
}

#define HERE ((u64)__builtin_return_address(0))
#define ACCESSES(n)                                                                       \
	void __tsan_read##n(u64 p) { read_access(p, n, 0, HERE); }                        \
	void __tsan_write##n(u64 p) { write_access(p, n, 0, HERE); }                      \
	void __tsan_unaligned_read##n(u64 p) { read_access(p, n, 0, HERE); }              \
	void __tsan_unaligned_write##n(u64 p) { write_access(p, n, 0, HERE); }            \
	void __tsan_volatile_read##n(u64 p) { read_access(p, n, 1, HERE); }               \
	void __tsan_volatile_write##n(u64 p) { write_access(p, n, 1, HERE); }             \
	void __tsan_unaligned_volatile_read##n(u64 p) { read_access(p, n, 1, HERE); }     \
	void __tsan_unaligned_volatile_write##n(u64 p) { write_access(p, n, 1, HERE); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(u64 p, u64 size) { read_access(p, size, 0, HERE); }
void __tsan_write_range(u64 p, u64 size) { write_access(p, size, 0, HERE); }
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) { }
void __tsan_init(void) { }

/* An operation by name: an instruction, a barrier, a lock, an IPI. */
u64 op(const char *kind, const volatile void *p, u64 a, u64 b, u64 c)
{
	settle();
	return ask(kind, (u64)p, 0, a, b, c, HERE);
}

/* The same, for a function of the driver that stands for one that C calls: `pc` is where it is called. */
u64 op_at(const char *kind, u64 a, u64 b, u64 pc)
{
	settle();
	return ask(kind, 0, 0, a, b, 0, pc);
}

static u64 updated(u64 old, int how, u64 a, u64 b)
{
	switch (how) {
	case 'x': return a;
	case '+': return old + a;
	case '|': return old | a;
	case '&': return old & a;
	case '^': return old ^ a;
	case 'c': return old == a ? b : old;
	case 'i': return old ? old + 1 : 0; /* inc_not_zero */
	default: return old;
	}
}

/* An atomic read-modify-write. `how`: r read, x exchange, + add, | or, & and, ^ xor, c compare and exchange. Returns the old
 * value. */
u64 rmw(const char *kind, volatile void *pointer, u64 size, int how, u64 a, u64 b)
{
	u64 p = (u64)pointer, old = 0, new;

	settle();
	if (is_local(p))
		memcpy(&old, (void *)p, size);
	else
		old = ask(kind, p, size, a, b, 0, HERE);
	new = updated(old, how, a, b);
	memcpy((void *)p, &new, size);
	return old;
}

/* ---- the thread ---- */

static u64 (*entry)(u64, u64, u64, u64);
static u64 arguments[4];

static void thread(void)
{
	u64 returned = entry(arguments[0], arguments[1], arguments[2], arguments[3]);

	settle();
	result = returned;
	done = 1;
	rt_switch(&thread_sp, scheduler_sp);
	abort();
}

/* Run the thread to its next request; a thread that never comes to one ends the process. */
static u64 go_on(void)
{
	static const struct itimerval limit = { .it_value.tv_sec = STEP_SECONDS }, none;

	setitimer(ITIMER_PROF, &limit, NULL);
	rt_switch(&scheduler_sp, thread_sp);
	setitimer(ITIMER_PROF, &none, NULL);
	return done ? 0 : (u64)thread_sp;
}

/* Start `function` and run it to its first request. Returns the stack pointer, or 0 if it has ended. */
u64 rt_start(void *function, const u64 *with)
{
	u64 *sp = (u64 *)((u64)LOCAL & ~63UL);

	put_owned(fresh);
	memset((void *)STACK, 0, STACK_SIZE);
	entry = function;
	memcpy(arguments, with, sizeof arguments);
	done = 0;
	*--sp = 0;
	*--sp = (u64)thread;
	sp -= 6;
	thread_sp = sp;
	return go_on();
}

/* Copy the state of the suspended thread to rt_saved. Returns its size. */
u64 rt_save(void)
{
	u64 sp = (u64)thread_sp, stack = STACK + STACK_SIZE - sp, arena = LOCAL->arena_used;
	unsigned char *to = rt_saved;

	for (int i = 0; i < owned; to += owned_size[i++])
		memcpy(to, (void *)owned_start[i], owned_size[i]);
	memcpy(to, (void *)sp, stack);
	memcpy(to + stack, (void *)ARENA, arena);
	return owned_used + stack + arena;
}

/* Put a state back, answer its request, and run to the next. Returns the stack pointer, or 0 at the end. */
u64 rt_resume(u64 sp, const unsigned char *state, u64 size, u64 with)
{
	u64 stack = STACK + STACK_SIZE - sp;

	put_owned(state);
	memcpy((void *)sp, state + owned_used, stack);
	memcpy((void *)ARENA, state + owned_used + stack, size - owned_used - stack);
	memset((char *)sp - BELOW, 0, BELOW);
	thread_sp = (void *)sp;
	done = 0;
	answer = with;
	return go_on();
}
