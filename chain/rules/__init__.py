"""What Ethereum says, as pure functions: forks and their schedule, fees, rewards, difficulty, blobs, the genesis."""
