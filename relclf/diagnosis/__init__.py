"""Says why a network learns slowly: checks of data, loop, step size, capacity, noise and stopping."""
