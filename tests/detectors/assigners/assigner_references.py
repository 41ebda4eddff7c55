"""The assigners once more: plain loops, one image, one box, one point at a time, mixtures by scikit-learn."""

import math
import statistics
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture


def fit_sklearn(losses: np.ndarray):
    """Losses [K] -> (labels [K], log density [K], fitted model)."""
    x = np.asarray(losses, dtype=np.float64)[:, None]
    model = GaussianMixture(
        2,
        covariance_type="full",
        weights_init=[0.5, 0.5],
        means_init=[[x.min()], [x.max()]],
        precisions_init=[[[1.0]], [[1.0]]],
        tol=1e-3,
        max_iter=100,
        reg_covar=1e-6,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = model.fit_predict(x)
    return labels, model.score_samples(x), model


def boundary_sklearn(losses: np.ndarray, labels: np.ndarray, density: np.ndarray, boundary: str) -> float:
    """f_m of eq. (4)."""
    low = labels == 0
    if not low.any():
        return losses.min()
    if boundary == "cluster":
        return losses[low].max()
    return losses[low][density[low] >= density[low].max() - 1e-9].min()


def positives_sklearn(losses, boundary: str) -> np.ndarray:
    losses = np.asarray(losses, dtype=np.float64)
    if len(losses) == 1:
        return np.array([True])
    labels, density, _ = fit_sklearn(losses)
    return losses <= boundary_sklearn(losses, labels, density, boundary)


def joint_loss_by_hand(logits, box, gt_box, label, alpha, focal_alpha=0.25, focal_gamma=2.0) -> float:
    loss_cls = 0.0
    for c, x in enumerate(logits):
        p = 1 / (1 + math.exp(-x))
        if c == label:
            loss_cls -= focal_alpha * (1 - p) ** focal_gamma * math.log(p)
        else:
            loss_cls -= (1 - focal_alpha) * p**focal_gamma * math.log(1 - p)
    width = min(box[2], gt_box[2]) - max(box[0], gt_box[0])
    height = min(box[3], gt_box[3]) - max(box[1], gt_box[1])
    intersection = max(width, 0) * max(height, 0)
    area = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    union = area + (gt_box[2] - gt_box[0]) * (gt_box[3] - gt_box[1]) - intersection
    return loss_cls - alpha * math.log((intersection + 1) / (union + 1))


def decide(claims: list[tuple[float, int]], theta: float, late: bool, fallback: str) -> int:
    """Claims (loss, box) on one point -> box, -1 or -2."""
    n = len(claims)
    smallest = min(claims)[1]
    if n == 1 or late or theta < 0.5:
        return smallest
    total = sum(loss for loss, _ in claims)
    stars = [total / loss for loss, _ in claims]
    weights = [star / sum(stars) for star in stars]
    largest = max(weights)
    box = min(gt for weight, (_, gt) in zip(weights, claims, strict=True) if weight == largest)
    if largest > theta + 1 / n - 0.5:
        return box
    return {"ignore": -2, "background": -1, "max_weight": box}[fallback]


def joint_losses(logits, boxes, xy, gt_boxes, gt_labels, alpha) -> dict[tuple[int, int], float]:
    """One image: (box, point) -> L_u, for the points inside."""
    losses = {}
    for m, gt in enumerate(gt_boxes):
        for n, (x, y) in enumerate(xy):
            if min(x - gt[0], y - gt[1], gt[2] - x, gt[3] - y) > 0.01:
                losses[m, n] = joint_loss_by_hand(logits[n], boxes[n], gt, gt_labels[m], alpha)
    return losses


def jla_image(losses: dict[tuple[int, int], float], num_points: int, options, progress: float):
    """One image's joint losses -> matched_gt [num_points]; also how many points were ambiguous, undecided."""
    late = progress >= options.switch_at
    matched = [-1] * num_points
    counts = {"ambiguous": 0, "undecided": 0, "three": 0}

    def settle(claims: dict[tuple[int, int], float]) -> dict[int, int]:
        decisions = {}
        for n in {n for _, n in claims}:
            of_point = [(loss, m) for (m, k), loss in claims.items() if k == n]
            decisions[n] = decide(of_point, options.theta, late, options.fallback)
            counts["ambiguous"] += len(of_point) > 1
            counts["three"] += len(of_point) > 2
            counts["undecided"] += decisions[n] < 0
        return decisions

    if options.resolve == "before":
        decisions = settle(losses)
        losses = {(m, n): loss for (m, n), loss in losses.items() if decisions[n] == m}
        for n, decision in decisions.items():
            if decision < 0:
                matched[n] = decision
    positives = {}
    for m in {m for m, _ in losses}:
        of_box = sorted((loss, n) for (k, n), loss in losses.items() if k == m)[: round(options.k * options.k_share)]
        is_positive = positives_sklearn([loss for loss, _ in of_box], options.boundary)
        for (loss, n), yes in zip(of_box, is_positive, strict=True):
            if yes:
                positives[m, n] = loss
    if options.resolve == "after":
        for n, decision in settle(positives).items():
            matched[n] = decision
    else:
        for m, n in positives:
            matched[n] = m
    return matched, counts


def fcos_image(xy, stride, level, gt_boxes, boundaries, center_radius) -> list[int]:
    """One image, gt_boxes x1, y1, x2, y2, label -> matched_gt. Of equals the first by these numbers."""
    edges = [-1, *boundaries, math.inf]
    matched = []
    for (x, y), s, k in zip(xy, stride, level, strict=True):
        best = (math.inf, [], -1)
        for m, (x1, y1, x2, y2, _) in enumerate(gt_boxes):
            ltrb = (x - x1, y - y1, x2 - x, y2 - y)
            region = (x1, y1, x2, y2)
            if center_radius is not None:
                cx, cy, r = (x1 + x2) / 2, (y1 + y2) / 2, center_radius * s
                region = (max(x1, cx - r), max(y1, cy - r), min(x2, cx + r), min(y2, cy + r))
            if not (region[0] < x < region[2] and region[1] < y < region[3]):
                continue
            if not edges[k] <= max(ltrb) <= edges[k + 1]:
                continue
            best = min(best, ((x2 - x1) * (y2 - y1), gt_boxes[m], m))
        matched.append(best[2])
    return matched


def overlap(a, b) -> float:
    """IoU of two boxes."""
    width, height = (max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]), 0) for i in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def in_box(point, box) -> bool:
    return min(point[0] - box[0], point[1] - box[1], box[2] - point[0], box[3] - point[1]) > 0.01


def anchor_of(point, stride, scale):
    half = scale * stride / 2
    return (point[0] - half, point[1] - half, point[0] + half, point[1] + half)


def atss_image(xy, stride, level, gt_boxes, top_k, anchor_scale) -> list[int]:
    """One image, gt_boxes as in `fcos_image` -> matched_gt."""
    claims: dict[int, list[tuple[float, list[float], int]]] = {}
    for m, gt in enumerate(gt_boxes):
        center = ((gt[0] + gt[2]) / 2, (gt[1] + gt[3]) / 2)
        candidates = []
        for k in sorted(set(level)):
            of_level = [n for n in range(len(xy)) if level[n] == k]
            distance = {n: (xy[n][0] - center[0]) ** 2 + (xy[n][1] - center[1]) ** 2 for n in of_level}
            candidates += sorted(of_level, key=lambda n: (distance[n], n))[:top_k]
        ious = {n: overlap(gt, anchor_of(xy[n], stride[n], anchor_scale)) for n in candidates}
        threshold = statistics.mean(ious.values()) + (statistics.stdev(ious.values()) if len(ious) > 1 else 0)
        for n, iou in ious.items():
            if iou >= threshold and in_box(xy[n], gt):
                claims.setdefault(n, []).append((-iou, gt, m))
    return [min(claims[n])[2] if n in claims else -1 for n in range(len(xy))]


def max_iou_image(xy, stride, gt_boxes, options) -> list[int]:
    """One image, gt_boxes as in `fcos_image` -> matched_gt."""

    def largest(values) -> int:
        return min(range(len(values)), key=lambda m: (-values[m], gt_boxes[m]))

    ious = [
        [overlap(gt, anchor_of(p, s, options.anchor_scale)) for gt in gt_boxes] for p, s in zip(xy, stride, strict=True)
    ]
    allowed = [[options.low_quality == "all" or in_box(p, gt) for gt in gt_boxes] for p in xy]
    matched = []
    for of_point, may in zip(ious, allowed, strict=True):
        best = max(of_point, default=0)
        if best >= options.positive:
            matched.append(largest(of_point))
            continue
        matched.append(-2 if best >= options.negative else -1)
        if options.low_quality == "none":
            continue
        # Is the point, for any box that it may match, among those that overlap this box most?
        for m in range(len(gt_boxes)):
            highest = max((row[m] for row, ok in zip(ious, allowed, strict=True) if ok[m]), default=0)
            if may[m] and of_point[m] == highest > 0:
                of_allowed = [iou if ok else 0 for iou, ok in zip(of_point, may, strict=True)]
                matched[-1] = largest(of_allowed)
    return matched
