"""VOC's and VisDrone's protocols once more: one detection, one box, one threshold at a time, in plain Python.

A box is (x1, y1, x2, y2). Written from the protocols' descriptions; shares no code with the package.
"""

THRESHOLDS = [step / 100 for step in range(50, 100, 5)]


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(one, other):
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def iou(one, other):
    both = shared(one, other)
    return both / (area(one) + area(other) - both) if both else 0.0


def area_under_curve(points, positives):
    """points: hit or miss, best first."""
    total, hits = 0.0, 0
    pairs = []
    for rank, hit in enumerate(points, 1):
        hits += hit
        pairs.append((hits / positives, hits / rank))
    before = 0.0
    for index, (recall, _) in enumerate(pairs):
        total += (recall - before) * max(precision for _, precision in pairs[index:])
        before = recall
    return total


def eleven_points(points, positives, steps):
    pairs, hits = [], 0
    for rank, hit in enumerate(points, 1):
        hits += hit
        pairs.append((hits / positives, hits / rank))
    return sum(max([p for recall, p in pairs if recall >= step], default=0.0) for step in steps) / 11


def rows_of(results, truth, categories):
    """(image index, label, box, score) in the order given."""
    images = {each.image_id: index for index, each in enumerate(truth)}
    labels = {number: label for label, (number, _) in enumerate(categories)}
    rows = []
    for row in results:
        x, y, width, height = row["bbox"]
        rows.append((images[row["image_id"]], labels[row["category_id"]], (x, y, x + width, y + height), row["score"]))
    return rows


def voc_points(truth, rows, label, threshold):
    """(hit or miss of what counts, number of boxes to find) of one class."""
    taken, points = set(), []
    for image, _, box, _ in sorted((row for row in rows if row[1] == label), key=lambda row: -row[3]):
        best, best_iou = None, -1.0
        for index, other in enumerate(truth[image].boxes.tolist()):
            if truth[image].labels[index] == label and iou(box, other) > best_iou:
                best, best_iou = index, iou(box, other)
        if best is None or best_iou < threshold:
            points.append(False)
        elif not truth[image].ignore[best]:
            points.append((image, best) not in taken)
            taken.add((image, best))
    return points, sum(int(((each.labels == label) & ~each.ignore).sum()) for each in truth)


def share_in_regions(box, regions):
    """Whole-numbered edges: counted in pixels."""
    pixels = [(x, y) for x in range(int(box[0]), int(box[2])) for y in range(int(box[1]), int(box[3]))]
    inside = sum(any(r[0] <= x < r[2] and r[1] <= y < r[3] for r in regions) for x, y in pixels)
    return inside / len(pixels)


def visdrone(truth, results, categories, most=500):
    """{name: number} with the toolkit's means, and the plain ones."""
    rows = rows_of(results, truth, categories)
    kept_rows, kept_truth = [], []
    for image, each in enumerate(truth):
        regions = each.regions.tolist()
        inside = [row for row in rows if row[0] == image and share_in_regions(row[2], regions) < 0.5]
        kept_rows.append(sorted(inside, key=lambda row: -row[3])[:most])
        boxes = zip(each.labels.tolist(), each.boxes.tolist(), each.ignore.tolist(), strict=True)
        kept_truth.append([one for one in boxes if share_in_regions(one[1], regions) < 0.5])
    precision, recall, weight = {}, {}, {}
    for label in range(len(categories)):
        counted = [[one for one in each if one[0] == label and not one[2]] for each in kept_truth]
        positives, weight[label] = sum(map(len, counted)), sum(map(bool, counted))
        if not positives:
            continue
        for threshold in THRESHOLDS:
            outcomes = []
            for image, image_rows in enumerate(kept_rows):
                outcomes += _matched(image_rows, kept_truth[image], label, threshold)
            outcomes.sort(key=lambda one: -one[0])
            points = [hit for _, _, hit in outcomes if hit is not None]
            precision[label, threshold] = area_under_curve(points, positives)
            for cap in (1, 10, 100, 500):
                recall[cap, label, threshold] = sum(hit is True and rank < cap for _, rank, hit in outcomes) / positives

    def mean(value, thresholds, weights):
        total = sum(weights.values())
        return 100 * sum(
            weight * sum(value(label, threshold) for threshold in thresholds) / len(thresholds) / total
            for label, weight in weights.items()
            if weight
        )

    plain = {label: int(count > 0) for label, count in weight.items()}
    ap = lambda label, threshold: precision[label, threshold]  # noqa: E731
    scores = {}
    for name, thresholds in (("AP", THRESHOLDS), ("AP50", [0.5]), ("AP75", [0.75])):
        scores[name] = mean(ap, thresholds, weight)
        scores[f"{name}_classmean"] = mean(ap, thresholds, plain)
    for cap in (1, 10, 100, 500):
        scores[f"AR{cap}"] = mean(lambda label, t, cap=cap: recall[cap, label, t], THRESHOLDS, weight)
    return scores


def _matched(rows, truth, label, threshold):
    """(score, rank in the image, True hit, False false, None neither) of one image and class."""
    free = [one for one in truth if one[0] == label and not one[2]]
    ignored = [one for one in truth if one[0] == label and one[2]]
    outcomes = []
    for rank, (_, kind, box, score) in enumerate(rows):
        if kind != label:
            continue
        best, best_iou = None, threshold
        for one in free:
            if iou(box, one[1]) >= best_iou:
                best, best_iou = one, iou(box, one[1])
        if best is not None:
            free = [one for one in free if one is not best]
            outcomes.append((score, rank, True))
        elif any(shared(box, one[1]) / area(box) >= threshold for one in ignored):
            outcomes.append((score, rank, None))
        else:
            outcomes.append((score, rank, False))
    return outcomes
