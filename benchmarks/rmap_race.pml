/* The ladder model (ladder.py) for SPIN: writers, a zapper and a cleaner.  Policies as there.
 *
 *     spin -a -DPOLICY=DELAYED -DCPUS=2 -DPAGES=2 -DW=3 -DR=2 rmap_race.pml
 *     gcc -O3 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E -w24
 *
 * One d_step is one atomic transition.  No process ever ends, so that pan counts exactly the states of the model.
 * Pages and CPUs are bits of masks; a process resets its variables where they no longer matter.
 */
#define EARLY   1
#define DELAYED 2
#define NOFLUSH 3
#define UP      4
#define S390    5
#define IPIS    (POLICY == EARLY || POLICY == DELAYED || POLICY == NOFLUSH)
#define BIT(i)  (1 << (i))
#define EVERY_PAGE (BIT(PAGES) - 1)
#define EVERY_CPU  (BIT(CPUS) - 1)
#define MODULUS 4

byte present = EVERY_PAGE, writable, dirty;	/* the PTEs */
byte mapped = EVERY_PAGE, pg_dirty, freed, folio_lock;
byte ptl;				/* who holds the page-table lock, on UP; else whether it is held */
byte mem[PAGES], disk[PAGES];
byte tlb[CPUS];				/* pages cached dirty */
byte zap_ipi, clean_ipi, cleaned;	/* CPUs that have not answered yet; the page being cleaned */
byte ended;

#if POLICY == UP
#define ME       0			/* one CPU, one TLB */
#define HELD     (_pid + 1)
#define MAY      (ptl == 0 || ptl == _pid + 1)	/* while the lock is held only its holder runs */
#else
#define ME       _pid
#define HELD     1
#define MAY      true
#endif

#if IPIS
#define DROP(p)				/* the flush does it */
#elif POLICY == UP || CPUS == 1
#define DROP(p)  tlb[0] = tlb[0] & ~BIT(p)
#elif CPUS == 2
#define DROP(p)  tlb[0] = tlb[0] & ~BIT(p); tlb[1] = tlb[1] & ~BIT(p)
#else
#define DROP(p)  tlb[0] = tlb[0] & ~BIT(p); tlb[1] = tlb[1] & ~BIT(p); tlb[2] = tlb[2] & ~BIT(p)
#endif

#define LOST(p)  (mem[p] != disk[p] && !(pg_dirty & BIT(p)) && !(present & dirty & BIT(p)))
#if PAGES == 1
#define CHECK    assert(!LOST(0))
#elif PAGES == 2
#define CHECK    assert(!LOST(0) && !LOST(1))
#else
#define CHECK    assert(!LOST(0) && !LOST(1) && !LOST(2))
#endif
#define END      ended++; if :: ended == CPUS + 2 -> CHECK :: else fi

#define HIT(p)    (tlb[ME] & BIT(p))
#define FAULTS(p) (!HIT(p) && (present & BIT(p)) && !(writable & BIT(p)))
#define WRITE(p)  assert(!(freed & BIT(p))); mem[p] = (mem[p] + 1) % MODULUS; n++

#define USE(p) \
	:: d_step { MAY && n < W && !FAULTS(p) -> \
		if \
		:: HIT(p) -> WRITE(p) \
		:: !HIT(p) && (present & BIT(p)) -> \
			dirty = dirty | BIT(p); tlb[ME] = tlb[ME] | BIT(p); WRITE(p) \
		:: else -> n = W \
		fi; \
		if :: n == W -> END :: else fi }; goto use \
	:: d_step { MAY && n < W && FAULTS(p) -> at = p }; goto lock_folio

#define INTERRUPT(back) \
	:: d_step { zap_ipi & BIT(_pid) -> tlb[ME] = 0; zap_ipi = zap_ipi & ~BIT(_pid) }; goto back \
	:: d_step { clean_ipi & BIT(_pid) -> tlb[ME] = tlb[ME] & ~BIT(cleaned); \
		clean_ipi = clean_ipi & ~BIT(_pid) }; goto back

active [CPUS] proctype writer()
{
	byte n, at;
use:	if
	USE(0)
#if PAGES > 1
	USE(1)
#endif
#if PAGES > 2
	USE(2)
#endif
	INTERRUPT(use)
	fi;
lock_folio: if
	:: d_step { MAY && !(folio_lock & BIT(at)) -> folio_lock = folio_lock | BIT(at) }; goto lock_ptl
	INTERRUPT(lock_folio)
	fi;
lock_ptl: if
	:: d_step { !ptl -> ptl = HELD }; goto set_pte
	INTERRUPT(lock_ptl)
	fi;
set_pte: if
	:: d_step { present & BIT(at) -> writable = writable | BIT(at); dirty = dirty | BIT(at) }; goto unlock_ptl
	:: d_step { !(present & BIT(at)) -> ptl = 0 }; goto gone
	INTERRUPT(set_pte)
	fi;
unlock_ptl: if
	:: d_step { ptl = 0 }; goto set_page_dirty
	INTERRUPT(unlock_ptl)
	fi;
set_page_dirty: if
	:: d_step { MAY -> pg_dirty = pg_dirty | BIT(at) }; goto unlock_folio
	INTERRUPT(set_page_dirty)
	fi;
unlock_folio: if
	:: d_step { MAY -> folio_lock = folio_lock & ~BIT(at); at = 0 }; goto use
	INTERRUPT(unlock_folio)
	fi;
gone:	if
	:: d_step { MAY -> folio_lock = folio_lock & ~BIT(at); at = 0; n = W; END }; goto use
	INTERRUPT(gone)
	fi
}

active proctype zapper()
{
	bit was_dirty, any;
	byte p, delayed;
	d_step { !ptl -> ptl = HELD };
	do
	:: d_step { p < PAGES -> was_dirty = (dirty >> p) & 1; present = present & ~BIT(p);
#if POLICY == S390
		DROP(p);
#endif
		writable = writable & ~BIT(p); dirty = dirty & ~BIT(p) };
		if
#if POLICY == DELAYED
		:: d_step { was_dirty -> pg_dirty = pg_dirty | BIT(p); any = 1; delayed = delayed | BIT(p);
			was_dirty = 0; p++ }
#else
		:: d_step { was_dirty -> pg_dirty = pg_dirty | BIT(p);
#if POLICY == EARLY || POLICY == UP
			any = 1
#else
			skip
#endif
			};
			d_step { mapped = mapped & ~BIT(p); was_dirty = 0; p++ }
#endif
		:: d_step { !was_dirty -> mapped = mapped & ~BIT(p); p++ }
		fi
#if POLICY == UP
	:: d_step { p == PAGES && any -> tlb[ME] = 0; p = 0 }; goto flushed
#else
	:: d_step { p == PAGES && any -> zap_ipi = EVERY_CPU; p = 0 }; goto flushed
#endif
	:: d_step { p == PAGES && !any -> ptl = 0; p = 0 }; break
	od;
#if POLICY == EARLY || POLICY == DELAYED
	if :: d_step { zap_ipi = EVERY_CPU } fi;
	d_step { zap_ipi == 0 -> skip };
#elif POLICY == UP
	if :: d_step { MAY -> tlb[ME] = 0 } fi;
#endif
	goto free;
flushed:
#if POLICY != UP
	if :: d_step { zap_ipi == 0 -> skip } fi;
#endif
	do
	:: d_step { delayed != 0 -> mapped = mapped & ~(delayed & -delayed); delayed = delayed & (delayed - 1) }
	:: d_step { delayed == 0 -> ptl = 0; any = 0 }; break
	od;
free:	do
	:: d_step { MAY && p < PAGES - 1 -> freed = freed | BIT(p); p++ }
#if POLICY == NOFLUSH
	:: d_step { p == PAGES - 1 -> freed = freed | BIT(p); p = 0 }; break
	od;
	if :: d_step { zap_ipi = EVERY_CPU } fi;
	d_step { zap_ipi == 0 -> END };
#else
	:: d_step { MAY && p == PAGES - 1 -> freed = freed | BIT(p); p = 0; END }; break
	od;
#endif
	false
}

active proctype cleaner()
{
	byte round, p;
	bit was_dirty;
	do
	:: d_step { MAY && round < R && !(folio_lock & BIT(p)) -> folio_lock = folio_lock | BIT(p) };
		if
		:: d_step { MAY && (mapped & BIT(p)) -> skip };
			d_step { !ptl -> ptl = HELD };
			if
			:: d_step { present & (writable | dirty) & BIT(p) -> was_dirty = (dirty >> p) & 1;
				DROP(p);
				dirty = dirty & ~BIT(p); writable = writable & ~BIT(p) };
#if IPIS
				d_step { clean_ipi = EVERY_CPU; cleaned = p };
				d_step { clean_ipi == 0 -> cleaned = 0 };
#endif
				if
				:: d_step { was_dirty -> ptl = 0 };
					d_step { MAY -> pg_dirty = pg_dirty | BIT(p); was_dirty = 0 }
				:: d_step { !was_dirty -> ptl = 0 }
				fi
			:: d_step { !(present & (writable | dirty) & BIT(p)) -> ptl = 0 }
			fi
		:: d_step { MAY && !(mapped & BIT(p)) -> skip }
		fi;
		if
		:: d_step { MAY && (pg_dirty & BIT(p)) -> pg_dirty = pg_dirty & ~BIT(p) };
			d_step { MAY -> disk[p] = mem[p] }
		:: d_step { MAY && !(pg_dirty & BIT(p)) -> skip }
		fi;
		d_step { MAY -> folio_lock = folio_lock & ~BIT(p); p++;
			if
			:: p == PAGES -> p = 0; round++;
				if
				:: round == R -> END
				:: else
				fi
			:: else
			fi }
	od
}
