"""MLflow as a view of the files under results/: nothing here decides a number, and no run depends on it."""
