"""TLB-maintenance instructions that emulated stock kernels executed, against what the plugins predict."""
