"""What people think of answers: taken in, shown, and made into data sets."""
