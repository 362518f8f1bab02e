/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands for every linux/ and asm/ header that is not taken from the tree. */
#ifndef SHIM_H
#define SHIM_H
#include "language.h"
#include "operations.h"
#include "cpus.h"
#include "arch_shim.h"
#endif
