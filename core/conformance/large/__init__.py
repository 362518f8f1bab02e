"""Large runs: one schedule at real size, where the explorer's models have three CPUs and five pages."""
